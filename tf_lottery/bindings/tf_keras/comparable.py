"""Whether a training can be compared safely with trainings of other searches.

Plain values and Keras' own code can be compared. Of a user's loss only the name is
known, of a callback nothing, and a dataset object that shuffles may have been read.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tf_lottery.bindings.parts import Examples
from tf_lottery.bindings.shared.rebinding import FUNCTIONS
from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.checks.model import check_model
from tf_lottery.bindings.tf_keras.copying.attributes import NOT_OWN
from tf_lottery.bindings.tf_keras.copying.fixed import fixed_values
from tf_lottery.bindings.tf_keras.data.forms import Batched
from tf_lottery.bindings.tf_keras.layers import asked_for, named_weights
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe

_KERAS = ("tf_keras.", "keras.", "tensorflow.", "tf_lottery.")


def unknown(
    model: Any,
    architecture: Mapping[str, Any] | None,
    callbacks: Any,
    examples: Examples,
) -> str:
    """Why trainings of a search cannot be compared safely; empty if they can."""
    if architecture is None:
        return "a model, loss or metric that cannot be written to a file"
    if names := own_code(model, architecture):
        return f"code that is not of Keras ({', '.join(names)})"
    if callable(callbacks) or callbacks:
        return "callbacks"
    if isinstance(examples.data.train, Batched):
        return "batches that Python code makes (a Sequence or a generator)"
    if not examples.feed.repeatable:
        return "a dataset that shuffles (pass a function of the seed that makes it)"
    return ""


def own_code(model: Any, architecture: Mapping[str, Any] | None) -> list[str]:
    """The names of classes and functions of a compiled model that are not of Keras."""
    in_config = _in_config(architecture) if architecture else ["a layer"]
    return sorted({*in_config, *_in_compilation(model), *_in_model(model)})


def identity_of(model: Any, rates: Iterable[str]) -> list[Any]:
    """See `Binding.identity_of`; models of equal identity train alike."""
    if isinstance(model, keras.Model):
        check_model(model)
    values = fixed_values(model) if getattr(model, "built", False) else {}
    return [describe(model), _weights_digest(model), values, sorted(asked_for(rates))]


def _in_model(model: Any) -> Iterator[str]:
    """The model's own class, and functions that were set on it."""
    if not f"{type(model).__module__}.".startswith(_KERAS):
        yield type(model).__name__
    for name, value in vars(model).items():
        if isinstance(value, FUNCTIONS) and name not in NOT_OWN:
            yield name


def _in_config(architecture: Mapping[str, Any]) -> Iterator[str]:
    """Layers, and parts of the optimizer; functions to compile with are by name."""
    compiled = architecture.get("compile_config") or {}
    for part in _serialized([architecture["config"], compiled.get("optimizer")]):
        module, kind = str(part.get("module")), str(part["class_name"])
        if kind in ("function", "__lambda__", "Lambda"):
            name = part.get("config")
            yield name if isinstance(name, str) else "a lambda"
        elif part.get("registered_name") and not module.startswith(_KERAS):
            yield kind


def _in_compilation(model: Any) -> Iterator[str]:
    config = dict(model._compile_config.config)
    for part in tf.nest.flatten([config, model.optimizer]):
        kind = part if hasattr(part, "__qualname__") else type(part)
        module = f"{kind.__module__}."
        if not module.startswith((*_KERAS, "builtins.", "numpy.")):
            yield str(kind.__qualname__)


def _serialized(values: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(values, Mapping):
        if "class_name" in values:
            yield values
        for value in values.values():
            yield from _serialized(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _serialized(value)


def _weights_digest(model: Any) -> str:
    """A hash of the weights and the optimizer's values, drawn, set or loaded."""
    digest = hashlib.sha256()
    optimizer = hold.variables(model.optimizer, {}).values()
    for variable in [*named_weights(model).values(), *optimizer]:
        value = variable.numpy()
        digest.update(str((value.dtype, value.shape)).encode() + value.tobytes())
    return digest.hexdigest()
