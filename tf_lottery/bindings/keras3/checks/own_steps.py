"""Steps and losses of the user's own, and what they must return."""

from typing import Any

from tf_lottery.bindings.keras3._imports import keras


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
    compiled = model._compile_loss is not None
    if not (compiled or model.losses or has_own(model, "test_step", "compute_loss")):
        raise ValueError(
            "`validation_data` needs a loss, whose minimum a search looks for. "
            "Received: a model that is compiled without one, and has no `test_step` "
            "or `compute_loss` of its own. Pass the loss to Keras' "
            "`compile(loss=...)`, or write a `test_step` that returns it."
        )
