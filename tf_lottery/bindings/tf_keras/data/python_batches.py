"""Batches that Python code makes, as TensorFlow takes them."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.data import arrays


def standard(batch: Any) -> Any:
    """A batch as `fit` hands it on, strings as tensors."""
    return tf.nest.map_structure(_tensor, arrays.packed(batch))


def dataset_of(batches: Callable[[], Iterable[Any]], first: Any) -> Any:
    """A dataset of batches whose sizes may differ, as Keras takes them."""
    spec = tf.nest.map_structure(
        lambda part: tf.type_spec_from_value(part)._with_tensor_ranks_only(), first
    )
    found = tf.data.Dataset.from_generator(batches, output_signature=spec)
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    return found.with_options(options)


def example_of(first: Any, spec: Any) -> Any:
    """The spec of the first batch, of any number of rows, weighted as `spec` is."""
    rows = tf.data.Dataset.from_tensors(first).unbatch().batch(2).element_spec
    x, y, weights = arrays.unpacked(rows)
    if weights is None:
        weights = arrays.unpacked(spec)[2]
    return keras.utils.pack_x_y_sample_weight(x, y, weights)


def _tensor(array: Any) -> Any:
    is_text = isinstance(array, np.ndarray) and array.dtype.kind in "OUS"
    return tf.convert_to_tensor(array) if is_text else array
