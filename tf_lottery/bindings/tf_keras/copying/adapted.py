"""What preprocessing layers were adapted to: words and bins. They are not weights."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.shared.naming import parts
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.layers import named_layers

_LOOKUPS = keras.src.layers.preprocessing.index_lookup.IndexLookup
_ADAPTABLE = keras.src.engine.base_preprocessing_layer.PreprocessingLayer


def adapted_of(layer: Any) -> dict[str, Any]:
    """What a preprocessing layer was adapted to, as arguments of its class.

    Words and bins decide the shapes of outputs, and a copy or a file must have them
    before it is built. Statistics are weights, and not included.
    """
    if isinstance(layer, keras.layers.Discretization):
        layer.finalize_state()
        bins = np.asarray(layer.bin_boundaries).reshape(-1).tolist()
        return {"bin_boundaries": bins, "num_bins": None} if bins else {}
    lookup = getattr(layer, "_lookup_layer", layer)
    if not isinstance(lookup, _LOOKUPS) or not lookup.lookup_table.size():
        return {}
    words = [_plain(word) for word in layer.get_vocabulary()]
    if lookup.output_mode != "tf_idf":
        return {"vocabulary": words}
    weights = lookup.idf_weights.numpy()[: len(words)].tolist()
    return {"vocabulary": words, "idf_weights": weights}


def adapted_layers(model: Any) -> list[str]:
    """Layers that were adapted to words or bins, or hold such: `'path' (class)`."""
    return [
        f"{path!r} ({type(layer).__name__})"
        for path, layer in named_layers(model).items()
        if any(map(adapted_of, layer._flatten_layers()))
    ]


def adapted_inside(layer: Any) -> dict[str, dict[str, Any]]:
    """What the layers inside a layer were adapted to, by their paths."""
    found: dict[str, dict[str, Any]] = {}
    if adapted_of(layer):
        return found
    for path, part in parts(layer):
        # What is inside an adapted layer, such as the lookup of a text, follows it.
        if not path.startswith(tuple(found)) and (values := adapted_of(part)):
            found[path] = values
    return found


def adapt_inside(layer: Any, adapted: Mapping[str, Mapping[str, Any]]) -> None:
    """Gives the layers inside an unbuilt layer what others were adapted to.

    Those that do not exist yet are skipped, see `check_adapted`.
    """
    mine = dict(parts(layer))
    for path, values in adapted.items():
        part = mine.get(path)
        if part is None or adapted_of(part) == values:
            continue
        if "vocabulary" in values:
            part.set_vocabulary(**values)
        else:
            part.bin_boundaries = part.input_bin_boundaries = values["bin_boundaries"]
            part.num_bins = None


def check_adapted(copied: Any, layer: Any) -> None:
    """Raises unless a built copy has what the layers inside were adapted to."""
    mine = adapted_inside(copied)
    for path, values in adapted_inside(layer).items():
        if mine.get(path) != values:
            raise ValueError(
                "An adapted preprocessing layer inside another layer must be made in "
                "that layer's `__init__`: a copy must get vocabulary or bins before it "
                f"is built. Received: {path.rstrip('/')!r} inside "
                f"{layer.name!r} ({type(layer).__name__}). Make it in `__init__`, or "
                "make it a layer of the model."
            )


def called(model: Any) -> Iterator[tuple[str, Any]]:
    """The layers of a model, and each layer inside them that was called, once."""
    seen: set[int] = set()
    for path, layer in named_layers(model).items():
        yield path, layer
        # What is inside a layer that can be adapted, such as a text, follows it.
        inner = () if isinstance(layer, _ADAPTABLE) else parts(layer, f"{path}/")
        for name, part in inner:
            if part.built and part is not layer and id(part) not in seen:
                seen.add(id(part))
                yield name.rstrip("/"), part


def is_forgotten(layer: Any) -> bool:
    """Whether a layer needs `adapt` before it can be called."""
    if isinstance(layer, keras.layers.Discretization):
        if not layer.built or layer.input_bin_boundaries is not None:
            return False
    elif not isinstance(getattr(layer, "_lookup_layer", layer), _LOOKUPS):
        return False
    return not adapted_of(layer)


def is_as_made(layer: Any) -> bool:
    """Whether it is a `Normalization` that changes nothing, as it was made."""
    if not isinstance(layer, keras.layers.Normalization) or not layer.built:
        return False
    if layer.input_mean is not None or layer.count.numpy():
        return False
    mean, variance = layer.adapt_mean.numpy(), layer.adapt_variance.numpy()
    return bool((mean == 0).all() and (variance == 1).all())


def _plain(word: Any) -> Any:
    return word.item() if isinstance(word, np.generic) else word
