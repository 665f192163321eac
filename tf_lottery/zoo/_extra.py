"""The packages of the extra `recipes`, imported when a data set is asked for."""

import importlib
from typing import Any

from tf_lottery.core.packages import install

# tensorflow-datasets imports importlib_resources to prepare a data set, and does not
# declare it. requests asks whether a data set can be reached, see `prepare`.
_PACKAGES = ("importlib_resources", "requests", "tensorflow_datasets")


def tensorflow_datasets() -> Any:
    """Imports tensorflow-datasets and what preparing needs; takes seconds.

    Raises:
        ImportError: A package is missing; it names the extra.
    """
    try:
        *_, tfds = map(importlib.import_module, _PACKAGES)
    except ModuleNotFoundError as error:
        raise ImportError(
            "The data sets of `tf_lottery.zoo`, which recipes use, need packages that "
            f"are not installed (missing: {error.name}). {install('recipes')}"
        ) from error
    return tfds
