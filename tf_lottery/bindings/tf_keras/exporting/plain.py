"""Plain models: copies without wrappers, and what the wrappers masked."""

from typing import Any

from tf_lottery.bindings.tf_keras.layers import finalize, named_weights
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.tfmot.wrap import unwrap, wrappers
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State


def plain(model: Any, weights: State | None = None, *, in_float32: bool = False) -> Any:
    """An uncompiled copy of a model without wrappers.

    Args:
        model: A model, wrapped or not.
        weights: The weights of the copy by path; default: those of the model.
        in_float32: Whether layers that compute in half precision compute in float32.
    """
    copied = unwrap(model, in_float32)
    if weights is not None:
        for path, weight in named_weights(copied).items():
            weight.assign(weights[path])
        finalize(copied)
    return copied


def masks_of(model: Any) -> Masks:
    """The masks of a wrapped model; for a plain one, where its matrices are not 0."""
    if wrappers(model):
        return Masks(Live(model).replica_masks()[0])
    return Masks(
        {
            path: weight.numpy() != 0
            for path, weight in named_weights(model).items()
            if len(weight.shape) > 1 and weight.dtype.is_floating
        }
    )
