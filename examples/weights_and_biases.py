"""Every training of a search is a run in Weights & Biases, grouped by the search.

pip install wandb
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import wandb

import tf_lottery


class LogToRun(keras.callbacks.Callback):
    """Logs the metrics of one training, a step an epoch."""

    def __init__(self, **config: Any) -> None:
        super().__init__()
        self._config = config

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        name = "-".join(f"{key}{value}" for key, value in self._config.items())
        self._run = wandb.init(
            project="tickets", group="search", name=name, config=self._config
        )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._run.log(dict(logs or {}), step=epoch)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._run.finish()


def callbacks(round: int, replicate: int, control: str | None) -> list[Any]:
    """Those of one training."""
    return [LogToRun(round=round, replicate=replicate, control=control or "ticket")]


def main(rounds: int = 5, epochs: int = 10) -> tf_lottery.FoundTicket:
    """Searches a small model."""
    x = np.random.default_rng(0).normal(size=(4_000, 20)).astype("float32")
    y = (np.square(x[:, :5]).sum(1) > 4.4).astype("int32")
    layers = [keras.layers.Dense(64, "relu"), keras.layers.Dense(2, "softmax")]
    model = keras.Sequential([keras.Input((20,)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return tf_lottery.find_ticket(
        model,
        (x, y),
        rounds,
        epochs=epochs,
        validation_split=0.2,
        callbacks=callbacks,
        verbose=0,
    )


if __name__ == "__main__":
    print(main().summary())
