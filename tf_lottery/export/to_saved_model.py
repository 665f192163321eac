"""Exports for TensorFlow: SavedModels, packed or dense."""

from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.checks import check_choice
from tf_lottery.export import by_tensorflow
from tf_lottery.export.bound import binding_of
from tf_lottery.export.card import Card
from tf_lottery.export.job import Job
from tf_lottery.export.options import Options


def saved_model(
    source: Any, path: PathLike, *, layout: str = "packed", **options: Any
) -> Card:
    """Writes a SavedModel that needs no tfmot and is exactly as sparse as the ticket.

    Args:
        source: A ticket, or a model of `ticket.model()`.
        path: The directory to make.
        layout: "packed" holds masks as bits and the surviving values. They are
            unpacked once when it is loaded, by plain `tf.saved_model.load` or
            TensorFlow Serving. "dense" holds the zeros too, and the layers for
            `tf_keras.models.load_model`.
        **options: See `Options`: weights, data, compact, drop_inputs, latency_runs,
            overwrite, custom_objects, safe_mode, model, verbose.

    Returns:
        The card, also written next to the directory as JSON and Markdown.

    Raises:
        ExportError: The file would not be the ticket. Nothing is written then.
        FileExistsError: `path` exists, without `overwrite`.

    Example:
        ```python
        ticket.export("ticket", format="saved_model")
        serve = tf.saved_model.load("ticket").signatures["serving_default"]
        ```
    """
    check_choice("layout", layout, ("packed", "dense"))
    # In half precision backends differ by more than a check could allow.
    elsewhere = not binding_of(source).WRITES_TENSORFLOW
    given = Options.of("saved_model", options)
    job = Job.of(source, path, given, in_float32=elsewhere)
    return by_tensorflow.write(job, "saved_model", {"layout": layout})
