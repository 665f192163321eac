"""Layers that hold adapted ones, in the description of a model.

The configuration of such a layer lacks what the layers inside it were adapted to.
"""

from collections.abc import Mapping
from typing import Any

from tf_lottery._keras import keras
from tf_lottery.pruning.adapted import adapt_inside, adapted_inside


@keras.saving.register_keras_serializable("tf_lottery")
class WithAdapted:
    """Stands for a layer in a description; what is made of it is the layer itself."""

    def get_config(self) -> dict[str, Any]:
        """None: there is no object of this class, see `from_config`."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """The layer, with what the layers inside it were adapted to."""
        layer = keras.saving.deserialize_keras_object(config["layer"])
        adapt_inside(layer, config["adapted"])
        return layer


def with_adapted(config: Any, model: Any) -> Any:
    """The configuration of a model, in which layers that hold adapted ones say so.

    Args:
        config: What Keras says of the model.
        model: The model.
    """
    if not isinstance(config, Mapping) or "layers" not in config:
        return config
    entries = config["layers"]
    # In the order of the model, after inputs that a Sequential does not list.
    inputs = [None] * (len(entries) - len(model.layers))
    pairs = zip(entries, [*inputs, *model.layers], strict=True)
    return {**config, "layers": [_described(*pair) for pair in pairs]}


def _described(entry: Mapping[str, Any], layer: Any) -> Mapping[str, Any]:
    if isinstance(layer, keras.Model):
        return {**entry, "config": with_adapted(entry["config"], layer)}
    if layer is None or not (adapted := adapted_inside(layer)):
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
