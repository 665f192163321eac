"""The search here, and as many plain Keras fits, with any Keras."""

import importlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from _contestants import Rounds, Search, Task


def fits(task: Task, data: Any) -> Search:
    """`rounds + 1` fits of the dense model, as it is compiled by default.

    The model is compiled and traced once; its first weights and optimizer state are
    given back before each fit, which is the cheapest way to train it so often.
    """
    train, validation, test = data
    model = lenet(task)

    def search() -> Rounds:
        model.optimizer.build(model.trainable_variables)
        variables = [*model.variables, *model.optimizer.variables]
        initial = [np.array(variable) for variable in variables]
        rounds = []
        for _ in range(task.rounds + 1):
            for variable, value in zip(variables, initial, strict=True):
                variable.assign(value)
            fit(model, task, train, validation)
            rounds.append((1.0, accuracy(model, task, test)))
        return rounds

    return search


def ours(task: Task, data: Any, lanes: str = "") -> Search:
    """`find_ticket` with a run directory, of the same model and arrays."""
    from tf_lottery import find_ticket

    train, validation, test = data
    arguments: dict[str, Any] = {"replicates": task.replicates}
    if lanes:
        arguments["together"] = task.replicates
    model = lenet(task)
    warnings.simplefilter("ignore", UserWarning)  # whether the ticket won

    def search() -> Rounds:
        with tempfile.TemporaryDirectory() as directory:
            ticket = find_ticket(
                model,
                train,
                task.rounds,
                steps=task.steps,
                batch_size=task.batch,
                validation_data=validation,
                test_data=test,
                evaluate_every=task.evaluate_every,
                pruning_rate=task.rate,
                layer_rates={"logits": task.logits_rate},
                seed=task.seed,
                run_dir=Path(directory) / "run",
                verbose=0,
                **arguments,
            )
        assert ticket.history is not None
        by_round = zip(*ticket.history.replicates, strict=True)
        return [(same[0].ticket.density, _mean(same)) for same in by_round]

    return search


def lenet(task: Task) -> Any:
    """The paper's LeNet-300-100, built and compiled, in the Keras of this process."""
    keras = keras_of_process()
    keras.utils.set_random_seed(task.seed)

    def dense(units: int, name: str, activation: str | None = "relu") -> Any:
        return keras.layers.Dense(
            units, activation, kernel_initializer="glorot_normal", name=name
        )

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Flatten(),
            dense(300 * task.width, "dense_300"),
            dense(100 * task.width, "dense_100"),
            dense(10, "logits", None),
        ],
        name="lenet_300_100",
    )
    compiled(model, task)
    return model


def compiled(model: Any, task: Task) -> None:
    """Compiles as a user does, with the defaults of Keras."""
    keras = keras_of_process()
    model.compile(
        keras.optimizers.Adam(task.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def fit(model: Any, task: Task, train: Any, validation: Any, **more: Any) -> None:
    """One training: an epoch ends where it is validated."""
    model.fit(
        *train,
        batch_size=task.batch,
        steps_per_epoch=task.evaluate_every,
        epochs=task.steps // task.evaluate_every,
        validation_data=validation,
        verbose=0,
        **more,
    )


def accuracy(model: Any, task: Task, test: Any) -> float:
    """That of test data, by a model as it is now."""
    found = model.evaluate(*test, batch_size=task.batch, verbose=0, return_dict=True)
    return float(found["accuracy"])


def keras_of_process() -> Any:
    """tf_keras where the environment asks for it, else Keras 3."""
    is_old = os.environ.get("TF_USE_LEGACY_KERAS") == "1"
    return importlib.import_module("tf_keras" if is_old else "keras")


def _mean(rounds: Any) -> float:
    values = [round.outcome.metrics["final_test_accuracy"] for round in rounds]
    return float(np.mean(values))
