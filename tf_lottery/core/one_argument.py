"""Data are one argument: what is said to those who pass x and y, as to `fit`."""

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
    """Decorates a function with a parameter `dataset`, which x and y may not follow.

    Raises:
        TypeError: When it is called with data in several arguments.
    """
    after = list(inspect.signature(function).parameters).index("dataset") + 1

    @functools.wraps(function)
    def called(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        apart = [f"`{name}`" for name in _OF_FIT if name in kwargs]
        apart += [type(each).__name__ for each in args[after:] if _may_be_labels(each)]
        if apart:
            raise TypeError(
                f"Data must be one argument, `dataset`. Received: {', '.join(apart)} "
                "beside it. Pass `(x, y)`, or `(x, y, sample_weight)`."
            )
        return function(*args, **kwargs)

    return called


def _may_be_labels(value: Any) -> bool:
    return not isinstance(value, str) and hasattr(value, "__len__")
