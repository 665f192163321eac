"""The formats of an export, by name and by the ending of a path."""

from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.checks import check_choice
from tf_lottery.core.ticket import Ticket
from tf_lottery.export import model_card as model_cards
from tf_lottery.export.card import Card
from tf_lottery.export.to_keras import keras_file
from tf_lottery.export.to_onnx import onnx
from tf_lottery.export.to_saved_model import saved_model
from tf_lottery.export.to_tflite import tflite

_WRITERS = {
    "saved_model": saved_model,
    "keras": keras_file,
    "tflite": tflite,
    "onnx": onnx,
}
_OTHERS = ("h5", "hdf5", "pb", "npz", "pt", "zip")


def export(
    ticket: Ticket,
    path: PathLike,
    format: str | None,
    weights: str,
    *,
    model_card: bool = False,
    **options: Any,
) -> Card:
    """See `Ticket.export`."""
    ending = Path(path).suffix.removeprefix(".")
    if format is None and ending in _OTHERS:
        raise ValueError(
            "A ticket is exported as a .keras, .tflite or .onnx file, or as the "
            f"directory of a SavedModel. Received: path={str(path)!r}."
        )
    by_ending = ending if ending in _WRITERS else "saved_model"
    format = format or by_ending
    check_choice("format", format, tuple(_WRITERS))
    if ending in _WRITERS and ending != format:
        raise ValueError(
            f"A file that ends in .{ending} must be of that format. Received: "
            f"path={str(path)!r}, format={format!r}."
        )
    write: Any = _WRITERS[format]
    if model_card:
        model_cards.check_free(Path(path), options.get("overwrite", False))
    card: Card = write(ticket, path, weights=weights, **options)
    if model_card:
        place = model_cards.write(ticket, Path(path), card, weights)
        if options.get("verbose", 1):
            print(f"{place} is a model card. Complete the places marked AUTHOR.")
    return card
