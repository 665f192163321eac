"""Class weights, as in Keras `fit`: weights of the training examples by their label."""

from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.shared.class_weight import check, check_labels
from tf_lottery.bindings.tf_shared._imports import tf
from tf_lottery.bindings.tf_shared.data import arrays
from tf_lottery.bindings.tf_shared.data.feed import Weigh


def weighing(class_weight: Mapping[int, float] | None) -> Weigh:
    """Multiplies the weights of examples by those of their classes, as Keras does."""
    if class_weight is None:
        return lambda dataset: dataset
    check(class_weight)
    by_class = {int(label): float(weight) for label, weight in class_weight.items()}
    table = tf.constant([by_class[label] for label in range(len(by_class))])

    def weighted(*batch: Any) -> Any:
        x, y, of_examples = arrays.unpacked(batch)
        weights = tf.gather(table, _classes(y))
        if of_examples is not None:
            if not of_examples.dtype.is_floating:  # they cannot hold 0.5
                of_examples = tf.cast(of_examples, weights.dtype)
            weights = tf.cast(weights, of_examples.dtype)
            for _ in range(weights.shape.rank - of_examples.shape.rank):
                of_examples = of_examples[..., None]
            weights = weights * of_examples
        return x, y, weights

    def weigh(dataset: Any) -> Any:
        _, y, _ = arrays.unpacked(dataset.element_spec)
        check_labels(y)
        return dataset.map(weighted)

    return weigh


def _classes(y: Any) -> Any:
    """The class numbers of labels; of one-hot labels, where they are largest."""

    def largest() -> Any:
        return tf.argmax(y, axis=-1)

    def rounded() -> Any:
        numbers = y if y.shape.rank < 2 else tf.squeeze(y, axis=-1)
        numbers = tf.round(numbers) if y.dtype.is_floating else numbers
        return tf.cast(numbers, tf.int64)

    if y.shape.rank < 2:
        return rounded()
    if y.shape[-1] is None:
        return tf.cond(tf.shape(y)[-1] > 1, largest, rounded)
    return largest() if y.shape[-1] > 1 else rounded()
