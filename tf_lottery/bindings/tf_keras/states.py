"""What layers keep in addition to weights: generators, and states between batches."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from tf_lottery.bindings.shared.objects import is_drawn_from, is_own_object, items
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.layers import inner_layers
from tf_lottery.core.naming import unique


def generators(model: Any) -> dict[str, Any]:
    """The states of the model's random generators that are variables."""
    found: dict[str, Any] = {}
    for path, part in inner_layers(model):
        generator = getattr(part, "_random_generator", None)
        state = getattr(getattr(generator, "_generator", None), "state", None)
        if state is not None:
            found[unique(f"random:{path}", found)] = state
    return found | own_generators(model)


def own_generators(model: Any) -> dict[str, Any]:
    """The states of each `tf.random.Generator` that is an attribute of the user's."""
    found: dict[str, Any] = {}
    for place, each in _held(model):
        if isinstance(each, tf.random.Generator):
            found[unique(f"random:{place}", found)] = each.state
    return found


def not_rewound(model: Any) -> dict[str, Any]:
    """Generators and iterators of Python that attributes hold, by their names."""
    found: dict[str, Any] = {}
    for place, value in _held(model):
        parts = vars(value).values() if is_own_object(value) else ()
        for each in (value, *parts):
            if is_drawn_from(each):
                found[unique(place, found)] = each
    return found


def recurrent_states(model: Any) -> dict[str, Any]:
    """What the model's stateful recurrent layers carry from batch to batch."""
    found: dict[str, Any] = {}
    for path, part in inner_layers(model):
        if getattr(part, "stateful", False):
            for state in tf.nest.flatten(getattr(part, "states", [])):
                found[unique(f"state:{path}", found)] = state
    return found


@contextlib.contextmanager
def kept(variables: Iterable[Any]) -> Iterator[None]:
    """Gives variables their present values back at the end."""
    before = [(variable, variable.numpy()) for variable in variables]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


def _held(model: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of models and layers, item by item, each once with its place."""
    seen: set[int] = set()
    models = (m for m in model._flatten_layers() if isinstance(m, keras.Model))
    # The attributes of models need no path.
    for path, part in (*(("", each) for each in models), *inner_layers(model)):
        own = {name: v for name, v in vars(part).items() if name[:6] != "_self_"}
        for name, value in sorted(own.items()):
            for each in items(value):
                if id(each) not in seen:
                    seen.add(id(each))
                    yield f"{path}/{name}" if path else name, each
