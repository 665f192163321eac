"""Data sets, through tensorflow-datasets, with and without network.

A data set is prepared once, then read from disk. MNIST is small: it stays in
memory as bytes, and the pipeline scales one batch at a time.
"""

import functools
import os
from collections.abc import Sequence
from typing import Any

import tensorflow_datasets as tfds

from tf_lottery._keras import tf
from tf_lottery.training.data import Data
from tf_lottery.zoo.prepare import find_builder, prepare

Path = str | os.PathLike[str]
Examples = tuple[tf.Tensor, tf.Tensor]

_EVALUATION_BATCH = 1_000


def mnist(
    batch_size: int = 60,
    seed: int = 0,
    archives: Path | None = None,
    data_dir: Path | None = None,
) -> Data:
    """Returns MNIST: 55,000 images to train on, 5,000 to validate, 10,000 to test.

    The validation images are the last 5,000 of the 60,000 in the order of
    tensorflow-datasets, for every seed. Images are 28x28x1 floats in [0, 1].
    Each pass over `train` has another order, and the last batch is smaller
    unless `batch_size` divides 55,000.

    Args:
        batch_size: Of `train`. Validation and test come in batches of 1,000.
        seed: Equal seeds give equal orders, pass by pass, as long as TensorFlow's
            global seed is equal too.
        archives: A folder that holds the four original archives, used instead of
            downloading them. Not looked at once MNIST is prepared in `data_dir`.
        data_dir: Where MNIST is prepared; by default, where tensorflow-datasets
            keeps its data (`TFDS_DATA_DIR`, or `~/tensorflow_datasets`).

    Raises:
        ValueError: MNIST is not prepared, and cannot be.
    """
    train, validation, test = _mnist_examples(_text(archives), _text(data_dir))
    return Data(
        train=_shuffled(train, batch_size, seed),
        validation=_in_order(validation),
        test=_in_order(test),
    )


def load(
    name: str,
    split: str | Sequence[str] | None = None,
    *,
    archives: Path | None = None,
    data_dir: Path | None = None,
    **options: Any,
) -> Any:
    """Returns what `tfds.load` returns, or fails within ten seconds.

    Without network, tensorflow-datasets tries for minutes to download a data set
    that is not prepared. This checks first, and says what to do.

    Args:
        name: As in `tfds.load`, such as "cifar10".
        split: As in `tfds.load`, such as "train[:45000]".
        archives: A folder that holds the original archives, used instead of
            downloading them. Not looked at once the data set is prepared.
        data_dir: As in `tfds.load`.
        **options: Further arguments of `tfds.load`.

    Raises:
        ValueError: The data set is unknown, or not prepared and out of reach, or
            an archive is damaged, or `data_dir` cannot be written to.
    """
    data_dir = _text(data_dir)
    builder = find_builder(name, data_dir)
    if not builder.data_path.exists():
        prepare(builder, _text(archives))
    return tfds.load(name, split=split, data_dir=data_dir, download=False, **options)


def _text(path: Path | None) -> str | None:
    # tensorflow-datasets takes "~" for the name of a folder.
    return None if path is None else os.path.expanduser(os.fspath(path))


@functools.lru_cache(maxsize=1)
def _mnist_examples(
    archives: str | None, data_dir: str | None
) -> tuple[Examples, Examples, Examples]:
    # Decoding takes seconds, and a search asks again for every replicate.
    with tf.device("CPU:0"):
        train, validation, test = load(
            "mnist",
            ["train[:55000]", "train[55000:]", "test"],
            archives=archives,
            data_dir=data_dir,
            as_supervised=True,
            batch_size=-1,
        )
    return train, validation, test


def _shuffled(examples: Examples, batch_size: int, seed: int) -> tf.data.Dataset:
    # Shuffling positions, not images, makes a pass three times faster.
    images, labels = examples
    size = len(labels)
    positions = tf.data.Dataset.range(size).shuffle(
        size, seed=seed, reshuffle_each_iteration=True
    )
    batches = positions.batch(batch_size).map(
        lambda batch: _scale(tf.gather(images, batch), tf.gather(labels, batch))
    )
    return _with_options(batches.prefetch(tf.data.AUTOTUNE))


def _in_order(examples: Examples) -> tf.data.Dataset:
    # Scaled batches are kept: a search evaluates every few hundred milliseconds.
    batches = tf.data.Dataset.from_tensor_slices(examples).batch(_EVALUATION_BATCH)
    return _with_options(batches.map(_scale).cache())


def _scale(images: tf.Tensor, labels: tf.Tensor) -> Examples:
    return tf.cast(images, tf.float32) / 255.0, labels


def _with_options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return dataset.with_options(options)
