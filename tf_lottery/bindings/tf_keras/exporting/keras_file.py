"""`.keras` files: written, read back, and what they lack."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.copying.adapted import adapted_inside
from tf_lottery.bindings.tf_keras.copying.by_name import not_found, own_classes
from tf_lottery.bindings.tf_keras.copying.copier import copied_by_config
from tf_lottery.bindings.tf_keras.layers import named_layers
from tf_lottery.core.errors import ExportError


def save(model: Any, path: Path) -> None:
    """Writes a `.keras` file.

    Raises:
        ExportError: Keras cannot, with its words.
    """
    with _explained("write"):
        model.save(str(path), save_format="keras")


def load(
    path: Path, like: Any, custom_objects: Mapping[str, Any], safe_mode: bool
) -> Any:
    """The model of a `.keras` file, not compiled.

    Args:
        path: The file.
        like: A model whose own classes the file may need.
        custom_objects, safe_mode: See `Ticket.model`.

    Raises:
        ExportError: Keras cannot, with its words.
    """
    with _explained("read back"):
        return keras.models.load_model(
            str(path),
            custom_objects={**not_found(), **own_classes(like), **custom_objects},
            safe_mode=safe_mode,
            compile=False,
        )


def lost(model: Any) -> str:
    """The first layer that Keras does not write completely, and what to do.

    Of layers inside a layer Keras writes the words, but neither weights nor bins.
    """
    for path, layer in named_layers(model).items():
        adapted = adapted_inside(layer)
        if adapted and adapted_inside(copied_by_config("layer", layer)) != adapted:
            return (
                "The configuration of a layer, which a .keras file holds, must "
                "have what layers inside it were adapted to. Received: "
                f"{path!r} ({type(layer).__name__}), whose `get_config()` lacks "
                f"that of {', '.join(repr(name.rstrip('/')) for name in adapted)}. "
                "Make the inner layer a layer of the model, or export it with "
                'format="saved_model", layout="dense".'
            )
    return ""


def loading(model: Any) -> list[str]:
    """How a file of the model is loaded, if that takes more than its path."""
    used = {type(part).__name__ for part in model._flatten_layers()}
    needed = [
        f'"{name}": {found.__module__.split(".")[0]}.layers.{name}'
        for name, found in not_found().items()
        if name in used
    ]
    needed += [
        f'"{name}": {kind.__module__}.{kind.__qualname__}'
        for name, kind in own_classes(model).items()
        if keras.saving.get_registered_name(kind) == name  # it is not registered
    ]
    if not needed:
        return []
    return [
        "Keras does not find all layers by their names: load this file with "
        f"`custom_objects={{{', '.join(needed)}}}`."
    ]


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # layers raise whatever they like
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise ExportError(
            f"Keras must be able to {what} a .keras file of this model, and cannot: "
            f"{said}. Pass your own classes and functions as "
            '`custom_objects={"Name": Name}`, or export it with format="saved_model".'
        ) from error
