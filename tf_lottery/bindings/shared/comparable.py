"""Code of the user's in a compiled model: of it only names are known.

Plain values and Keras' own code can be compared with those of other searches.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.parts import Examples
from tf_lottery.bindings.shared.rows import leaves
from tf_lottery.core.data import ARGUMENTS
from tf_lottery.core.packages import is_known

_OWN = ("builtins", "numpy")


def code_in_config(architecture: Mapping[str, Any] | None) -> Iterator[str]:
    """Layers, and parts of the optimizer; functions to compile with are by name."""
    if not architecture:
        yield "a layer"
        return
    compiled = architecture.get("compile_config") or {}
    for part in _serialized([architecture["config"], compiled.get("optimizer")]):
        module, kind = str(part.get("module")), str(part["class_name"])
        if kind in ("function", "__lambda__", "Lambda"):
            name = part.get("config")
            yield name if isinstance(name, str) else "a lambda"
        elif part.get("registered_name") and not is_known(module):
            yield kind


def code_in_compilation(config: Mapping[str, Any], optimizer: Any) -> Iterator[str]:
    """The names of classes and functions that are not of Keras."""
    for part in [*leaves(dict(config)), optimizer]:
        kind = part if hasattr(part, "__qualname__") else type(part)
        package = kind.__module__.partition(".")[0]
        if not is_known(kind.__module__) and package not in _OWN:
            yield str(kind.__qualname__)


def reason(
    architecture: Mapping[str, Any] | None,
    code: Iterable[str],
    callbacks: Any,
    *,
    made_by_python: bool,
    repeatable: bool,
) -> str:
    """Why trainings of a search cannot be compared safely; empty if they can."""
    if architecture is None:
        return "a model, loss or metric that cannot be written to a file"
    if names := sorted({*code}):
        return f"code that is not of Keras ({', '.join(names)})"
    if callable(callbacks) or callbacks:
        return "callbacks"
    if made_by_python:
        return "batches that Python code makes (a Sequence or a generator)"
    if not repeatable:
        return "a dataset that shuffles (pass a function of the seed that makes it)"
    return ""


def first_digests(
    examples: Examples, first: Callable[[Any], Any], contents: Callable[[Any], str]
) -> dict[str, str]:
    """See `Binding.first_digests`.

    Args:
        examples: The data of a search.
        first: The first batch of a part; None if it has none that can be compared.
        contents: A hash of a batch.
    """
    data = examples.data
    parts = {ARGUMENTS[name]: part for name, part in data.evaluated.items()}
    if examples.feed.repeatable:
        parts["dataset"] = data.train
    batches = {name: first(part) for name, part in parts.items()}
    return {name: contents(b) for name, b in batches.items() if b is not None}


def digest(arrays: Iterable[Any]) -> str:
    """A hash of arrays in their order."""
    found = hashlib.sha256()
    for value in arrays:
        found.update(str((value.dtype, value.shape)).encode() + value.tobytes())
    return found.hexdigest()


def digests(arrays: Mapping[str, Any]) -> dict[str, str]:
    """A hash of each array, by sorted names."""
    found = {}
    for name, array in sorted(arrays.items()):
        values = np.ascontiguousarray(array)
        kind = f"{values.dtype}{values.shape}".encode()
        found[name] = hashlib.sha256(kind + values.tobytes()).hexdigest()[:16]
    return found


def _serialized(values: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(values, Mapping):
        if "class_name" in values:
            yield values
        for value in values.values():
            yield from _serialized(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _serialized(value)
