"""Assignments to a weight that leave its pruned values at zero.

A callback (`model.set_weights`, `layer.kernel.assign`) or a training step of the user
may assign to weights. Whatever it assigns, a pruned weight stays zero. The optimizer
is exempt: it sees masked gradients, so it has nothing to mask.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf

_METHODS = ("assign", "assign_add", "assign_sub")


_exempt = ContextVar("exempt", default=False)


@contextlib.contextmanager
def exempt() -> Iterator[None]:
    """Assignments inside, by this thread, are made as they are."""
    token = _exempt.set(True)
    try:
        yield
    finally:
        _exempt.reset(token)


def guard(weight: Any, mask: Any) -> None:
    """Makes assignments to a variable set only what the variable of its mask keeps."""
    for name in _METHODS:
        setattr(weight, name, _guarded(getattr(weight, name), mask))


def _guarded(assign: Callable[..., Any], mask: Any) -> Callable[..., Any]:
    @functools.wraps(assign)
    def guarded(value: Any, *args: Any, **kwargs: Any) -> Any:
        return assign(value if _exempt.get() else _kept(value, mask), *args, **kwargs)

    return guarded


def _kept(value: Any, mask: Any) -> Any:
    if not mask.shape.is_compatible_with(tf.convert_to_tensor(value).shape):
        return value  # `assign` refuses it; a mask must not stretch it
    value = tf.cast(value, mask.dtype)
    return tf.where(tf.convert_to_tensor(mask) != 0, value, tf.zeros_like(value))
