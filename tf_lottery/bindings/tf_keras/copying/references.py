"""Layers and metrics made from configurations that hold functions.

`get_config()` may give a function as it is, such as that which standardizes a text,
where `from_config` of the same class expects its description.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras


def made_of(kind: type, config: Mapping[str, Any]) -> Any:
    """An object of a class, made from a configuration as `get_config` gives it."""
    functions = {name: v for name, v in config.items() if _is_function(v)}
    try:
        return kind.from_config(dict(config))  # type: ignore[attr-defined]
    except Exception as error:  # its class may raise whatever it likes
        described = {name: _reference(name) for name in functions}
        named = {_reference(name)["config"]: v for name, v in functions.items()}
        with keras.saving.custom_object_scope(named), contextlib.suppress(Exception):
            return kind.from_config({**config, **described})  # type: ignore[attr-defined]
        raise error


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type)


def _reference(name: str) -> dict[str, Any]:
    """What Keras takes for the description of a function that is in scope."""
    known = f"tf_lottery>{name}"
    return {
        "class_name": "function",
        "config": known,
        "module": None,
        "registered_name": known,
    }
