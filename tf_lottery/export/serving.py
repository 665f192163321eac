"""A model's prediction as one function of named inputs to named outputs."""

import keyword
import re
from collections.abc import Sequence
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.core.errors import ExportError

SIGNATURE = "serving_default"


def serving(model: Any, batch_size: int | None = None) -> Any:
    """A `tf.function` of the inputs by name; it returns the outputs by name.

    Args:
        model: A plain Keras model.
        batch_size: The number of examples a call; None leaves it open.

    Raises:
        ExportError: A signature cannot have an input of that name.
    """
    _check_names(model.input_names)
    specs = [
        tf.TensorSpec((batch_size, *tensor.shape[1:]), tensor.dtype, name=name)
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
    ]

    def serve(*inputs: Any) -> dict[str, Any]:
        packed = tf.nest.pack_sequence_as(model.input, list(inputs))
        outputs = tf.nest.flatten(model(packed, training=False))
        return dict(zip(model.output_names, outputs, strict=True))

    return tf.function(serve, input_signature=specs)


def _check_names(names: Sequence[str]) -> None:
    # As TensorFlow writes them; of `1x` it makes `arg_1x`.
    written = [re.sub(r"\W", "_", name) for name in names]
    for name, as_written in zip(names, written, strict=True):
        reserved = keyword.iskeyword(name) or name == "self"
        if reserved or " " in name or written.count(as_written) > 1:
            raise ExportError(
                "Inputs of an exported model must have names that a function's "
                "arguments can have, and that differ in letters and digits. Received: "
                f"{name!r} of {', '.join(map(repr, names))}. Build the model with "
                '`keras.Input(..., name="features")`.'
            )
