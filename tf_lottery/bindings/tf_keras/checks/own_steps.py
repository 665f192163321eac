"""Steps and losses of the user's own, and what they must return."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from tf_lottery.bindings.shared import own_steps
from tf_lottery.bindings.tf_keras._imports import keras

has_own = functools.partial(own_steps.has_own, keras.Model)
has_own_loss = functools.partial(own_steps.has_own_loss, keras.Model)


def check_loss(model: Any) -> None:
    """Raises unless a validation pass computes a loss."""
    compiled = model._compile_config.config.get("loss") is not None
    own_steps.check_loss(keras.Model, model, compiled)


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
