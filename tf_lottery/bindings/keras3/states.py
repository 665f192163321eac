"""What layers keep in addition to weights: generators, and states between batches."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3._imports import backend, keras
from tf_lottery.bindings.keras3.layers import inner_layers, named_layers
from tf_lottery.bindings.shared.objects import is_drawn_from, items
from tf_lottery.core.naming import unique
from tf_lottery.core.seeds import derive


def seed_generators(model: Any) -> dict[str, Any]:
    """The seed generators of layers, and of models themselves, by name."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    owners = [*inner_layers(model), *(("model", m) for m in _models(model))]
    for path, part in owners:
        for generator in part._seed_generators:
            if id(generator) not in seen:
                seen.add(id(generator))
                found[unique(f"random:{path}", found)] = generator
    return found


def generators(model: Any) -> dict[str, Any]:
    """The states of the model's random generators, by name."""
    return {name: each.state for name, each in seed_generators(model).items()}


def seed(model: Any, number: int) -> None:
    """Resets each generator of a model, to a seed that is its own."""
    for name, generator in seed_generators(model).items():
        state = state_of(derive(number, name))
        generator.state.assign(state)
        # PyTorch's Dropout draws from a generator of all layers unless it has a seed.
        generator._initial_seed = int(state[0])


def state_of(number: int) -> Any:
    """The state of a generator under a seed."""
    return np.array([number % 2**31, 0], keras.src.backend.random_seed_dtype())


def recurrent_states(model: Any) -> dict[str, Any]:
    """What the model's stateful recurrent layers carry from batch to batch."""
    found: dict[str, Any] = {}
    for path, part in inner_layers(model):
        if getattr(part, "stateful", False):
            for state in keras.tree.flatten(getattr(part, "states", None)):
                if state is not None:
                    found[unique(f"state:{path}", found)] = state
    return found


def not_rewound(model: Any) -> dict[str, Any]:
    """Generators and iterators of Python that attributes hold, by their names."""
    found: dict[str, Any] = {}
    owners = [("", m) for m in _models(model)] + [*named_layers(model).items()]
    for path, part in owners:
        for name, value in vars(part).items():
            for each in items(value):
                if is_drawn_from(each):
                    found[unique(f"{path}/{name}" if path else name, found)] = each
    return found


@contextlib.contextmanager
def kept(variables: Iterable[Any]) -> Iterator[None]:
    """Gives variables their present values back at the end."""
    before = [(variable, backend.held(variable.value)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in before:
            backend.restore(variable, value)


def _models(model: Any) -> list[Any]:
    return [part for part in model._flatten_layers() if isinstance(part, keras.Model)]
