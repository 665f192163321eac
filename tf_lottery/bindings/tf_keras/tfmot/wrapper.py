"""tfmot's wrapper around one layer, which holds the masks and does nothing else."""

import types
from collections.abc import Sequence
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras, pruning_wrapper, sparsity
from tf_lottery.bindings.tf_keras.layers import known_weights, own_weights
from tf_lottery.bindings.tf_keras.tfmot.schedule import HeldMasks


@keras.saving.register_keras_serializable("tf_lottery")
class PruneByName(pruning_wrapper.PruneLowMagnitude):
    """tfmot's wrapper around a layer that tfmot refuses, or with chosen weights.

    It is saved and loaded with a model like tfmot's own. `weight_names` are the names
    of weights within the layer, such as "forward/cell/kernel".
    """

    def __init__(self, layer: Any, weight_names: Sequence[str], **kwargs: Any) -> None:
        self.weight_names = list(weight_names)
        layer.get_prunable_weights = self._get_prunable_weights
        super().__init__(layer, **kwargs)

    def _get_prunable_weights(self) -> list[Any]:
        weights = own_weights(self.layer)
        return [weights[name] for name in self.weight_names]

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"weight_names": self.weight_names}


def wrap_layer(layer: Any, weights: Sequence[Any]) -> Any:
    """A built layer in tfmot's wrapper, with all-ones masks for some of its weights.

    The wrapper is tfmot's own where tfmot would prune the same weights.
    """
    known, ids = known_weights(layer) or [], {id(weight) for weight in weights}
    # In float32: tfmot would give the wrapper the global policy, and compute in it.
    arguments = {"pruning_schedule": HeldMasks(), "dtype": "float32"}
    if {id(weight) for weight in known} == ids:
        wrapper = sparsity.prune_low_magnitude(layer, **arguments)
    else:
        names = [name for name, w in own_weights(layer).items() if id(w) in ids]
        wrapper = PruneByName(layer, names, **arguments)
    wrapper.call = types.MethodType(_call, wrapper)
    wrapper._autocast = False  # the layer casts for itself
    wrapper._supports_masking = layer.supports_masking
    wrapper.compute_mask = layer.compute_mask  # Embedding(mask_zero=True)
    if getattr(layer, "stateful", False):  # `model.reset_states` must find it
        wrapper.stateful, wrapper.reset_states = True, layer.reset_states
    return wrapper


def _call(self: Any, inputs: Any, training: Any = None, **kwargs: Any) -> Any:
    """`PruneLowMagnitude.call` without the pruning."""
    if self.layer._expects_training_arg:
        kwargs["training"] = training
    if not self.layer._expects_mask_arg:
        kwargs.pop("mask", None)
    # Not its `call`: the layer's own dtype policy, mask and regularizer must apply.
    return self.layer(inputs, **kwargs)
