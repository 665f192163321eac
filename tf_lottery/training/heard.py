"""The errors of callbacks inside an evaluation, told apart from the framework's."""

import functools
from collections.abc import Callable
from typing import Any

_METHODS = ("on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end")


class Heard:
    """Remembers what a list of callbacks raised while a model was evaluated.

    Attributes:
        error: The last one.
    """

    def __init__(self, callbacks: Any) -> None:
        self.error: BaseException | None = None
        for name in _METHODS:
            vars(callbacks)[name] = self._hearing(getattr(callbacks, name))

    def _hearing(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def heard(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            except BaseException as error:
                self.error = error
                raise

        return heard
