"""Steps and losses of the user's own, where Keras has its own."""

from typing import Any


def has_own(base: Any, model: Any, *methods: str) -> bool:
    """Whether one of these methods of a model is not that of the class of Keras."""
    return any(
        name in vars(model) or getattr(type(model), name) is not getattr(base, name)
        for name in methods
    )


def has_own_loss(base: Any, model: Any) -> bool:
    """Whether the loss is the user's own: targets may then be anything."""
    return has_own(base, model, "train_step", "compute_loss")


def check_loss(base: Any, model: Any, is_compiled: bool) -> None:
    """Raises unless a validation pass computes a loss: Keras would call it 0.

    `is_compiled` says whether the model is compiled with one.
    """
    own = has_own(base, model, "test_step", "compute_loss")
    if not (is_compiled or model.losses or own):
        raise ValueError(
            "`validation_data` needs a loss, whose minimum a search looks for. "
            "Received: a model that is compiled without one, and has no `test_step` "
            "or `compute_loss` of its own. Keras would report 0. Pass the loss to "
            "Keras' `compile(loss=...)`, or write a `test_step` that returns it."
        )
