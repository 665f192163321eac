"""Assignments to a weight that leave its pruned values at zero.

A callback (`model.set_weights`, `layer.kernel.assign`) or a training step of the user
may assign to weights. Whatever it assigns, a pruned weight stays zero. The optimizer
is exempt: it sees masked gradients, so it has nothing to mask.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf

_METHODS = ("assign", "assign_add", "assign_sub")


class _Exempt(threading.local):
    depth = 0


_exempt = _Exempt()


@contextlib.contextmanager
def exempt() -> Iterator[None]:
    """Assignments inside, by this thread, are made as they are."""
    _exempt.depth += 1
    try:
        yield
    finally:
        _exempt.depth -= 1


def guard(weight: Any, mask: Any) -> None:
    """Makes assignments to a weight set only what its mask keeps.

    Args:
        weight: A variable; methods are set on it, nothing of it is serialised.
        mask: The variable that holds its mask.
    """
    for name in _METHODS:
        setattr(weight, name, _guarded(getattr(weight, name), mask))


def _guarded(assign: Callable[..., Any], mask: Any) -> Callable[..., Any]:
    @functools.wraps(assign)
    def guarded(value: Any, *args: Any, **kwargs: Any) -> Any:
        return assign(value if _exempt.depth else _kept(value, mask), *args, **kwargs)

    return guarded


def _kept(value: Any, mask: Any) -> Any:
    if not mask.shape.is_compatible_with(tf.convert_to_tensor(value).shape):
        return value  # `assign` refuses it; a mask must not stretch it
    value = tf.cast(value, mask.dtype)
    return tf.where(tf.convert_to_tensor(mask) != 0, value, tf.zeros_like(value))
