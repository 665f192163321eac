"""A masked copy of the user's model that looks like the user's model.

Its layers, weights, files and summary are those of the user's model: callbacks see
what they see in Keras' `fit`. tfmot's wrappers, which hold the masks, are outside the
graph: inside it, masks would be among `model.get_weights()`.
"""

import types
from collections.abc import Collection, Sequence
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.copying.attributes import WRAPPERS
from tf_lottery.bindings.tf_keras.copying.copier import copy_model
from tf_lottery.bindings.tf_keras.guard import guard
from tf_lottery.bindings.tf_keras.layers import (
    named_layers,
    named_weights,
    weights_to_mask,
)
from tf_lottery.bindings.tf_keras.tfmot.wrap import check_sharing, mask_variables
from tf_lottery.bindings.tf_keras.tfmot.wrapper import wrap_layer


def masked_copy(
    model: Any, seed: int = 0, strategy: Any = None, asked: Collection[str] = ()
) -> Any:
    """An uncompiled copy of a built model with masks, which are all ones.

    What is assigned to a weight of it leaves pruned weights at zero. The arguments are
    those of `wrap`.

    Raises:
        ValueError: A layer that cannot be copied, or is inside two others.
    """
    check_sharing(model)
    with (strategy or model.distribute_strategy).scope():
        copied = copy_model(model, seed)
        pruned = weights_to_mask(copied, asked)
        wrappers = {
            path: _built(wrap_layer(layer, pruned[id(layer)]))
            for path, layer in named_layers(copied).items()
            if id(layer) in pruned
        }
        # Keras neither tracks this nor saves it: it is neither an attribute that was
        # set in its way, nor a container that it looks into.
        object.__setattr__(copied, WRAPPERS, types.MappingProxyType(wrappers))
        masks = mask_variables(copied)
        masked = [w for w in named_weights(copied).values() if w.ref() in masks]
        for weight in masked:
            guard(weight, masks[weight.ref()][0])
    _mask_what_is_loaded(copied, masked)
    return copied


def _built(wrapper: Any) -> Any:
    with tf.name_scope(wrapper.name):
        wrapper.build(None)  # the layer is built
    return wrapper


def _mask_what_is_loaded(model: Any, weights: Sequence[Any]) -> None:
    """TensorFlow's checkpoints are loaded into variables without `assign`."""
    load_weights = model.load_weights

    def load(*args: Any, **kwargs: Any) -> Any:
        status = load_weights(*args, **kwargs)
        for weight in weights:
            weight.assign(tf.convert_to_tensor(weight))
        return status

    model.load_weights = load
