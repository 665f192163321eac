"""What a user set on a model, as opposed to what Keras sets."""

import functools
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras

# What Keras itself sets on a model after it is made, by compiling, training or loading.
_KERAS_OWN = {
    "_auto_config",
    "_compile_config",
    "_pss_evaluation_shards",
    "_serialized_attributes",
    "graph_debug_info",
    "loss",
    "signatures",
    "tensorflow_git_version",
    "tensorflow_version",
}
# The attribute of a masked copy that holds tfmot's wrappers.
WRAPPERS = "_lottery_wrappers"
# What the copy of a model has by itself.
_OUR_OWN = {"compile", "fit", "load_weights", WRAPPERS}
# No attribute of the user's.
NOT_OWN = _KERAS_OWN | _OUR_OWN


def plain_attributes(model: Any) -> dict[str, Any]:
    """Numbers, flags and texts that were set on a model of a user's class."""
    if type(model) in (keras.Sequential, keras.src.engine.functional.Functional):
        return {}
    own = dict(own_attributes(model, plain_model()))
    plain = (bool, int, float, str)
    return {name: own[name] for name in sorted(own) if isinstance(own[name], plain)}


@functools.cache
def plain_model() -> Any:
    """One of Keras' own, for what Keras sets on it."""
    # Named, as Keras would number unnamed layers.
    layers = [keras.Input((1,), name="input"), keras.layers.Dense(1, name="dense")]
    model = keras.Sequential(layers, name="plain")
    model.compile()
    return model


def own_attributes(original: Any, copied: Any) -> list[tuple[str, Any]]:
    """What was set on a model, and is not of Keras."""
    other = {*NOT_OWN, *vars(copied)}
    return [item for item in vars(original).items() if item[0] not in other]
