"""What layers keep besides weights: random generators, and states between batches."""

from collections.abc import Iterator
from typing import Any

from tf_lottery._keras import tf
from tf_lottery.core.naming import unique
from tf_lottery.pruning.layers import named_layers


def generators(model: Any) -> dict[str, Any]:
    """The states of the model's random generators that are variables."""
    found: dict[str, Any] = {}
    for path, part in _parts_of_layers(model):
        generator = getattr(part, "_random_generator", None)
        state = getattr(getattr(generator, "_generator", None), "state", None)
        if state is not None:
            found[unique(f"random:{path}", found)] = state
    return found


def recurrent_states(model: Any) -> dict[str, Any]:
    """What the model's stateful recurrent layers carry from batch to batch."""
    found: dict[str, Any] = {}
    for path, part in _parts_of_layers(model):
        if getattr(part, "stateful", False):
            for state in tf.nest.flatten(getattr(part, "states", [])):
                found[unique(f"state:{path}", found)] = state
    return found


def _parts_of_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """The layers inside each layer and itself, with the layer's path."""
    for path, layer in named_layers(model).items():
        for part in layer._flatten_layers():
            yield path, part
