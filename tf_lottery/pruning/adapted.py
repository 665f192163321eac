"""What preprocessing layers were adapted to: words and bins, which are no variables."""

from typing import Any

import numpy as np

from tf_lottery._keras import keras
from tf_lottery.pruning.layers import named_layers

_LOOKUPS = keras.src.layers.preprocessing.index_lookup.IndexLookup


def adapted_of(layer: Any) -> dict[str, Any]:
    """What a preprocessing layer was adapted to, as arguments of its class.

    Words and bins are no weights: outputs have other shapes without them, and a copy
    or a file must have them before it is built. Statistics are weights, and are not
    meant.
    """
    return _vocabulary_of(layer) | _bins_of(layer)


def is_adapted(model: Any) -> bool:
    """Whether a layer of the model was adapted to words or bins."""
    return any(map(adapted_of, named_layers(model).values()))


def forgotten(model: Any) -> list[str]:
    """The paths of layers that need `adapt` before they can be called."""
    layers = named_layers(model).items()
    return [path for path, la in layers if _needs_words(la) or _needs_bins(la)]


def as_made(model: Any) -> list[str]:
    """The paths of `Normalization` layers that change nothing, as they were made."""
    return [
        path
        for path, layer in named_layers(model).items()
        if isinstance(layer, keras.layers.Normalization) and _is_as_made(layer)
    ]


def _needs_words(layer: Any) -> bool:
    lookup = getattr(layer, "_lookup_layer", layer)
    return isinstance(lookup, _LOOKUPS) and not lookup.lookup_table.size()


def _needs_bins(layer: Any) -> bool:
    if not isinstance(layer, keras.layers.Discretization) or not layer.built:
        return False
    return layer.input_bin_boundaries is None and not _bins_of(layer)


def _is_as_made(layer: Any) -> bool:
    if not layer.built or layer.input_mean is not None or layer.count.numpy():
        return False
    mean, variance = layer.adapt_mean.numpy(), layer.adapt_variance.numpy()
    return bool((mean == 0).all() and (variance == 1).all())


def _vocabulary_of(layer: Any) -> dict[str, Any]:
    lookup = getattr(layer, "_lookup_layer", layer)
    if not isinstance(lookup, _LOOKUPS) or not lookup.lookup_table.size():
        return {}
    words = [_plain(word) for word in layer.get_vocabulary()]
    if lookup.output_mode != "tf_idf":
        return {"vocabulary": words}
    weights = lookup.idf_weights.numpy()[: len(words)].tolist()
    return {"vocabulary": words, "idf_weights": weights}


def _bins_of(layer: Any) -> dict[str, Any]:
    if not isinstance(layer, keras.layers.Discretization) or not layer.built:
        return {}
    if layer.input_bin_boundaries is not None:
        return {}
    layer.finalize_state()
    bins = np.asarray(layer.bin_boundaries).reshape(-1).tolist()
    return {"bin_boundaries": bins, "num_bins": None} if bins else {}


def _plain(word: Any) -> Any:
    return word.item() if isinstance(word, np.generic) else word
