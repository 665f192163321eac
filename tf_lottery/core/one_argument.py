"""A clear error for calls with `x` and `y` apart, as Keras `fit` takes them."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_OF_FIT = ("x", "y", "sample_weight")


def data_are_one_argument(
    function: Callable[Parameters, Result],
) -> Callable[Parameters, Result]:
    """Decorates a function that takes all data in one argument, `dataset`.

    Raises:
        TypeError: The function was called with data in several arguments.
    """
    after = list(inspect.signature(function).parameters).index("dataset") + 1

    @functools.wraps(function)
    def called(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        apart = [f"`{name}`" for name in _OF_FIT if name in kwargs]
        apart += [type(each).__name__ for each in args[after:] if _may_be_labels(each)]
        if apart:
            raise TypeError(
                "Data must be one argument, `dataset`. Received: in addition "
                f"{', '.join(apart)}. Pass `(x, y)`, or `(x, y, sample_weight)`."
            )
        return function(*args, **kwargs)

    return called


def _may_be_labels(value: Any) -> bool:
    return not isinstance(value, str) and hasattr(value, "__len__")
