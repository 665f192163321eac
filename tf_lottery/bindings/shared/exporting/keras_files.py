"""What exports say of `.keras` files."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from tf_lottery.core.errors import ExportError
from tf_lottery.core.packages import is_known


def own_classes(model: Any) -> dict[str, type]:
    """The classes of a model's layers that are not of Keras, by name."""
    kinds = {type(part) for part in model._flatten_layers()}
    return {kind.__name__: kind for kind in kinds if not is_known(kind.__module__)}


def needed(keras: Any, kinds: Mapping[str, type]) -> list[str]:
    """The entries of `custom_objects` for classes of the user's."""
    return [
        f'"{name}": {kind.__module__}.{kind.__qualname__}'
        for name, kind in kinds.items()
        if keras.saving.get_registered_name(kind) == name  # it is not registered
    ]


def loading(entries: list[str]) -> list[str]:
    """What to pass to Keras where a file is loaded, see `Network.loading`."""
    if not entries:
        return []
    return [
        "Keras does not find all layers by their names: load this file with "
        f"`custom_objects={{{', '.join(entries)}}}`."
    ]


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Errors inside become one that says what to do."""
    try:
        yield
    except Exception as error:  # layers raise whatever they like
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise ExportError(
            f"Keras must be able to {what} a .keras file of this model, and cannot: "
            f"{said}. Pass your own classes and functions as "
            '`custom_objects={"Name": Name}`, or export it with format="saved_model".'
        ) from error
