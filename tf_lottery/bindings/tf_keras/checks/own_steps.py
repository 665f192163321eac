"""Steps and losses of the user's own, and what they must return."""

from collections.abc import Mapping, Sequence
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras


def has_own(model: Any, *methods: str) -> bool:
    """Whether one of these methods of the model is not that of Keras."""
    return any(
        name in vars(model)
        or getattr(type(model), name) is not getattr(keras.Model, name)
        for name in methods
    )


def has_own_loss(model: Any) -> bool:
    """Whether the loss is the user's own: targets may then be anything."""
    return has_own(model, "train_step", "compute_loss")


def check_loss(model: Any) -> None:
    """Raises unless a validation pass computes a loss: Keras would call it 0."""
    compiled = model._compile_config.config.get("loss") is not None
    if not (compiled or model.losses or has_own(model, "test_step", "compute_loss")):
        raise ValueError(
            "`validation_data` needs a loss, whose minimum a search looks for. "
            "Received: a model that is compiled without one, and has no `test_step` "
            "or `compute_loss` of its own. Keras would report 0. Pass the loss to "
            "Keras' `compile(loss=...)`, or write a `test_step` that returns it."
        )


def check_logs(returned: Sequence[Any]) -> None:
    """Raises unless what the steps return, that of training first, has a loss."""
    for number, logs in enumerate(returned):
        if isinstance(logs, Mapping) and "loss" not in logs:
            step = "test_step" if number else "train_step"
            raise ValueError(
                f"A `{step}` must return a dict with 'loss', which a search watches. "
                f"Received: {', '.join(map(repr, logs))}. Add it, for example as the "
                "sum of the losses that are returned."
            )


def check_evaluate(model: Any) -> None:
    """Raises unless Keras' own `evaluate` computes metrics by their names."""
    if has_own(model, "evaluate"):
        raise ValueError(
            "The model must be evaluated by Keras' `evaluate`: a search needs what it "
            f"returns. Received: {type(model).__name__}, which has an `evaluate` of "
            "its own. Write what it does as `test_step`, or give it another name."
        )
