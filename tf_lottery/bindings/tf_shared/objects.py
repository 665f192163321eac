"""Copies of what TensorFlow keeps: variables, generators, but no changing tables."""

from typing import Any

from tf_lottery.bindings.tf_shared._imports import tf

_CHANGING_TABLES = (
    tf.lookup.experimental.MutableHashTable,
    tf.lookup.experimental.DenseHashTable,
)


def copied(value: Any) -> Any:
    """The copy of a variable or a generator; None of anything else.

    Raises:
        ValueError: A table that training may change, which no ticket would hold.
    """
    if isinstance(value, tf.random.Generator):
        return tf.random.Generator.from_state(value.state.numpy(), value.algorithm)
    if isinstance(value, _CHANGING_TABLES):
        raise ValueError(
            "Values that training changes must be in variables, which are rewound. "
            f"Received: a {type(value).__name__} as an attribute of the model. Use a "
            "variable, or a `tf.lookup.StaticHashTable` for fixed values; make a text "
            "layer with `vocabulary=...`, or apply it in the data: `dataset.map`."
        )
    if not isinstance(value, tf.Variable):
        return None
    return tf.Variable(
        tf.convert_to_tensor(value),
        trainable=value.trainable,
        name=value.name.split(":")[0],
        dtype=value.dtype,
        constraint=value.constraint,
        synchronization=value.synchronization,
        aggregation=value.aggregation,
        shape=value.shape,
    )
