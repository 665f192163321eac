"""The proof that a copy is the user's model, before anything is trained.

A copy has the weights of the original by path, gives its outputs and losses, and shares
no variable with it.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.layers import named_weights, rows_needed
from tf_lottery.bindings.keras3.states import kept
from tf_lottery.bindings.shared.rows import mapped
from tf_lottery.core.words import telling_line, warn

Seeded = Callable[[], contextlib.AbstractContextManager[Any]]

_ROWS = 2
_ROUNDING = 1e-5


def prove(copied: Any, model: Any, seeded: Seeded, inputs: Any) -> None:
    """Raises unless a copy, with all weights kept, does what the model does.

    `seeded` makes a context in which equal random operations draw equal numbers.
    `inputs` is a batch of the data, or None.
    """
    mine, theirs = named_weights(copied), named_weights(model)
    if differing := sorted(mine.keys() ^ theirs.keys()):
        raise ValueError(
            "A copy of the model must have the same weights. Received: "
            f"{model.name!r} ({type(model).__name__}), whose copy differs in "
            f"{', '.join(map(repr, differing[:5]))}."
        )
    held = {id(variable) for variable in model.variables}
    if shared := [v.path for v in copied.variables if id(v) in held]:
        raise ValueError(
            "The copy that is searched must have variables of its own. Received: "
            f"{shared[0]!r}, which it shares with the model. Make it an attribute of "
            "a layer or of the model."
        )
    if inputs is None:
        return
    number = rows_needed(model) or _ROWS
    rows = mapped(lambda part: part[:number], inputs)
    compute = functools.partial(_computed, rows=rows, seeded=seeded)
    try:
        wanted, again = compute(model), compute(model)
    except Exception as error:  # layers raise whatever they like
        _warn_not_compared(f"it takes no rows of the data ({telling_line(error)})")
        return
    if not _equal(again, wanted, _ROUNDING):
        _warn_not_compared("it draws at random where it is not trained, too")
        return
    tolerance = 0.0 if _equal(again, wanted, 0.0) else _ROUNDING
    if not _equal(compute(copied), wanted, tolerance):
        raise ValueError(
            "A copy of the model must give the model's outputs and losses. Received: "
            f"{model.name!r} ({type(model).__name__}), whose copy gives others. An "
            "object that the model uses may refer to itself by its `id`, or by a "
            "global name: make it a layer or an attribute of the model."
        )


def _computed(model: Any, rows: Any, seeded: Seeded) -> list[Any]:
    """The outputs for some rows, and the losses that layers add."""
    with kept(model.non_trainable_variables), seeded():
        outputs = model(rows, training=False)
        found = [*keras.tree.flatten(outputs), *model.losses]
        return [np.array(keras.ops.convert_to_numpy(part)) for part in found]


def _warn_not_compared(why: str) -> None:
    warn(
        "The copy of the model that is searched could not be compared with the model "
        f"before training: {why}."
    )


def _equal(some: list[Any], others: list[Any], tolerance: float) -> bool:
    alike = functools.partial(_is_equal, tolerance=tolerance)
    return len(some) == len(others) and all(map(alike, some, others))


def _is_equal(one: Any, other: Any, tolerance: float) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if not tolerance or one.dtype.kind not in "fV":
        return bool(one.tobytes() == other.tobytes())
    one, other = one.astype(np.float64), other.astype(np.float64)
    return np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)
