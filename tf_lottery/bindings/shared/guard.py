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

_exempt = ContextVar("exempt", default=False)


@contextlib.contextmanager
def exempt() -> Iterator[None]:
    """Assignments inside, by this thread, are made as they are."""
    token = _exempt.set(True)
    try:
        yield
    finally:
        _exempt.reset(token)


def guard(weight: Any, keep: Callable[[Any], Any], *methods: str) -> None:
    """Makes methods of a variable assign only what `keep` leaves of a value."""
    for name in methods:
        vars(weight)[name] = _guarded(getattr(weight, name), keep)


def _guarded(assign: Callable[..., Any], keep: Callable[[Any], Any]) -> Any:
    @functools.wraps(assign)
    def guarded(value: Any, *args: Any, **kwargs: Any) -> Any:
        return assign(value if _exempt.get() else keep(value), *args, **kwargs)

    return guarded
