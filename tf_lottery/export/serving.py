"""A model's prediction as one function of named inputs to named outputs."""

from typing import Any

from tf_lottery._keras import tf

SIGNATURE = "serving_default"


def serving(model: Any, batch_size: int | None = None) -> Any:
    """A `tf.function` of the inputs by name; it returns the outputs by name.

    Args:
        model: A plain Keras model.
        batch_size: The number of examples a call; None leaves it open.
    """
    specs = [
        tf.TensorSpec((batch_size, *tensor.shape[1:]), tensor.dtype, name=name)
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
    ]

    def serve(*inputs: Any) -> dict[str, Any]:
        packed = tf.nest.pack_sequence_as(model.input, list(inputs))
        outputs = tf.nest.flatten(model(packed, training=False))
        return dict(zip(model.output_names, outputs, strict=True))

    return tf.function(serve, input_signature=specs)
