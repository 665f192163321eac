"""What a GPU report measures: networks, and how much of each thing at which scale."""

from dataclasses import dataclass
from typing import Any

import keras

BATCH = 60
LAST_LAYER = {"logits": 0.1}  # which the paper prunes at half the rate


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    turns: int  # of what is interleaved
    lenet_steps: int  # of a turn
    conv_steps: int
    lanes: tuple[int, ...]  # tickets side by side
    torch_steps: int
    rounds: int  # of the search beside plain fits
    steps: int  # of each of its trainings
    evaluate_every: int
    paper_rounds: int
    paper_steps: int
    replicates: int
    draws: int
    together: int


FULL = Scale(
    turns=15,
    lenet_steps=500,
    conv_steps=100,
    lanes=(1, 2, 5, 10, 20, 50, 100),
    torch_steps=1_000,
    rounds=15,
    steps=2_000,
    evaluate_every=100,
    paper_rounds=16,
    paper_steps=50_000,
    replicates=5,
    draws=3,
    together=48,  # 240 controls in five programs' lengths
)
SMALL = Scale(
    turns=3,
    lenet_steps=50,
    conv_steps=2,
    lanes=(1, 2),
    torch_steps=50,
    rounds=2,
    steps=100,
    evaluate_every=50,
    paper_rounds=2,
    paper_steps=200,
    replicates=2,
    draws=1,
    together=2,
)


def lenet() -> Any:
    """The paper's LeNet-300-100."""
    inside = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
    inside += [_dense(300, "dense_300"), _dense(100, "dense_100"), _logits()]
    return _compiled(inside, "lenet_300_100", 1.2e-3)


def conv_2() -> Any:
    """The paper's Conv-2 for CIFAR-10."""
    inside = [keras.Input((32, 32, 3))]
    for number in (1, 2):
        inside.append(
            keras.layers.Conv2D(
                64, 3, padding="same", activation="relu", name=f"conv_{number}"
            )
        )
    inside += [keras.layers.MaxPooling2D(), keras.layers.Flatten()]
    inside += [_dense(256, "fc_1"), _dense(256, "fc_2"), _logits()]
    return _compiled(inside, "conv_2", 2e-4)


def _dense(units: int, name: str, activation: str | None = "relu") -> Any:
    return keras.layers.Dense(
        units, activation, kernel_initializer="glorot_normal", name=name
    )


def _logits() -> Any:
    return _dense(10, "logits", None)


def _compiled(layers: list[Any], name: str, rate: float) -> Any:
    model = keras.Sequential(layers, name=name)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model
