"""Clear errors for calls with data apart, as Keras `fit` takes them, and mistypes."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tf_lottery.core.near_names import check_names

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_OF_FIT = ("x", "y", "sample_weight")


def data_are_one_argument(
    function: Callable[Parameters, Result],
) -> Callable[Parameters, Result]:
    """Decorates a function whose argument `dataset` must have all data."""
    after = list(inspect.signature(function).parameters).index("dataset") + 1

    named = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def called(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        apart = [f"`{name}`" for name in _OF_FIT if name in kwargs]
        # What has a length, and is not text, may be labels.
        apart += [
            type(each).__name__
            for each in args[after:]
            if not isinstance(each, str) and hasattr(each, "__len__")
        ]
        if apart:
            raise TypeError(
                "Data must be one argument, `dataset`. Received: in addition "
                f"{', '.join(apart)}. Pass `(x, y)`, or `(x, y, sample_weight)`."
            )
        check_names(function, named, kwargs)
        return function(*args, **kwargs)

    return called
