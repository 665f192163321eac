"""The description of layers that hold adapted layers.

Their configuration lacks what the layers inside them were adapted to.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.copying.adapted import adapt_inside, adapted_inside
from tf_lottery.bindings.tf_keras.copying.copier import copy_model


@keras.saving.register_keras_serializable("tf_lottery")
class WithAdapted:
    """Describes a layer. Keras makes the layer itself from the description."""

    def get_config(self) -> dict[str, Any]:
        """Empty, as no object of this class is made: see `from_config`."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """The layer, with what the layers inside it were adapted to."""
        layer = keras.saving.deserialize_keras_object(config["layer"])
        adapt_inside(layer, config["adapted"])
        return layer


def with_adapted(model: Any) -> Any:
    """The configuration of a model, with all words and bins of its layers."""
    copied = copy_model(model)  # its layers have them as arguments
    config = keras.saving.serialize_keras_object(copied)["config"]
    return _with_holders(config, copied)


def adapted_in(config: Any, name: str = "") -> Iterator[tuple[str, str, Any]]:
    """Words and bins in a configuration: the layer's name, the argument, its value."""
    if isinstance(config, Mapping):
        name = config["name"] if isinstance(config.get("name"), str) else name
        for key, value in config.items():
            if key in ("vocabulary", "idf_weights", "bin_boundaries"):
                yield name, key, value
            else:
                yield from adapted_in(value, name)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from adapted_in(value, name)


def _with_holders(config: Any, model: Any) -> Any:
    """Keras' configuration of a model, with `WithAdapted` for layers that need it."""
    if not isinstance(config, Mapping) or "layers" not in config:
        return config
    # In the order of the model, after inputs that a Sequential does not list.
    entries = config["layers"]
    first = len(entries) - len(model.layers)
    described = map(_described, entries[first:], model.layers)
    return {**config, "layers": [*entries[:first], *described]}


def _described(entry: Mapping[str, Any], layer: Any) -> Mapping[str, Any]:
    if isinstance(layer, keras.Model):
        return {**entry, "config": _with_holders(entry["config"], layer)}
    if not (adapted := adapted_inside(layer)):
        return entry
    whole = ("module", "class_name", "config", "registered_name")
    return {
        **entry,
        "module": __name__,
        "class_name": WithAdapted.__name__,
        "registered_name": f"tf_lottery>{WithAdapted.__name__}",
        "config": {
            "layer": {name: entry[name] for name in whole if name in entry},
            "adapted": adapted,
        },
    }
