"""Data sets of tensorflow-datasets, from the network or from original archives.

A data set is prepared once, then read from disk. The paper's data sets are small: they
stay in memory as bytes, and the pipeline augments and scales one batch at a time.
"""

import difflib
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.data import Data
from tf_lottery.core.seeds import derive
from tf_lottery.zoo._extra import tensorflow_datasets
from tf_lottery.zoo._frameworks import tf
from tf_lottery.zoo.prepare import prepare

Examples = tuple[tf.Tensor, tf.Tensor]

_PAD = 4  # pixels at each side


def mnist(
    batch_size: int = 60,
    seed: int = 0,
    archives: PathLike | None = None,
    data_dir: PathLike | None = None,
) -> Data:
    """Returns MNIST: 55,000 images to train on, 5,000 to validate, 10,000 to test.

    The validation images are the last 5,000 of the 60,000 in the order of
    tensorflow-datasets, for every seed. Images are 28x28x1 floats in [0, 1]. Each pass
    over `train` has another order. The last batch is smaller unless `batch_size`
    divides 55,000.

    Args:
        batch_size: The batch size of `train`. Validation and test data come in batches
            of 1,000.
        seed: Equal seeds give equal orders, pass by pass, if TensorFlow's global seed
            is equal too.
        archives: A folder that holds the original archives, used instead of downloading
            them. Ignored once the data set is prepared in `data_dir`.
        data_dir: Where the data set is prepared; by default, where tensorflow-datasets
            keeps its data (`TFDS_DATA_DIR`, or `~/tensorflow_datasets`).

    Raises:
        ImportError: A package of the extra `recipes` is missing.
        ValueError: The data set is not prepared and cannot be prepared, or
            `batch_size` is below 1.
    """
    return _data("mnist", _shuffled, batch_size, seed, archives, data_dir)


def fashion_mnist(
    batch_size: int = 60,
    seed: int = 0,
    archives: PathLike | None = None,
    data_dir: PathLike | None = None,
) -> Data:
    """Returns Fashion-MNIST, like `mnist` and with the same arguments.

    Reference: Xiao, Rasul & Vollgraf, arXiv 1708.07747.
    """
    return _data("fashion_mnist", _shuffled, batch_size, seed, archives, data_dir)


def cifar10(
    batch_size: int = 60,
    seed: int = 0,
    augment: bool = False,
    archives: PathLike | None = None,
    data_dir: PathLike | None = None,
) -> Data:
    """Returns CIFAR-10: 45,000 images to train on, 5,000 to validate, 10,000 to test.

    Images are 32x32x3 floats in [0, 1]; the rest and the errors are as in `mnist`.

    Args:
        batch_size, seed, archives, data_dir: See `mnist`.
        augment: Whether training images are flipped and cropped at random, again in
            each pass, in a way that `seed` fixes: half of them are flipped from left to
            right, and each is cropped out of itself with four black pixels around it.

    Reference: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """
    train = _augmented if augment else _shuffled
    return _data("cifar10", train, batch_size, seed, archives, data_dir)


def load(
    name: str,
    split: str | Sequence[str] | None = None,
    *,
    archives: PathLike | None = None,
    data_dir: PathLike | None = None,
    **options: Any,
) -> Any:
    """Returns what `tfds.load` returns, and prepares the data set if necessary.

    Without network it fails within seconds, where `tfds.load` tries for minutes.

    Args:
        name, split, data_dir, **options: See `tfds.load`.
        archives: See `mnist`.

    Raises:
        ImportError: A package of the extra `recipes` is missing.
        ValueError: The data set is unknown; or it is not prepared, and cannot be
            prepared from the network or from `archives`.
    """
    tfds = tensorflow_datasets()
    data_dir = _expanded(data_dir)
    try:
        builder = tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        similar = ", ".join(difflib.get_close_matches(name, known)) or "none"
        raise ValueError(
            "`name` must be a data set that tensorflow-datasets knows, or one "
            f"prepared in `data_dir`. Received: name={name!r}, data_dir={data_dir!r}. "
            f"Similar names: {similar}."
        ) from error
    if not builder.data_path.exists():
        prepare(builder, _expanded(archives))
    return tfds.load(name, split=split, data_dir=data_dir, download=False, **options)


def _expanded(path: PathLike | None) -> str | None:
    # tensorflow-datasets does not expand "~".
    return None if path is None else os.path.expanduser(os.fspath(path))


def _data(
    name: str,
    ordered: Callable[[Examples, int, int], tf.data.Dataset],
    batch_size: int,
    seed: int,
    archives: PathLike | None,
    data_dir: PathLike | None,
) -> Data:
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be >= 1. Received: {batch_size}.")
    train, validation, test = _examples(name, _expanded(archives), _expanded(data_dir))
    # Scaled batches are kept: a search evaluates every few hundred milliseconds.
    validation, test = (
        tf.data.Dataset.from_tensor_slices(part).batch(1_000).map(_scale).cache()
        for part in (validation, test)
    )
    train = ordered(train, batch_size, seed).prefetch(tf.data.AUTOTUNE)
    options = tf.data.Options()
    options.deterministic = True
    by_data = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = by_data
    return Data(*(part.with_options(options) for part in (train, validation, test)))


@functools.lru_cache(maxsize=1)
def _examples(
    name: str, archives: str | None, data_dir: str | None
) -> tuple[Examples, Examples, Examples]:
    # Decoding takes seconds, and a search loads the data again for every replicate.
    with tf.device("CPU:0"):
        train, validation, test = load(
            name,
            ["train[:-5000]", "train[-5000:]", "test"],
            archives=archives,
            data_dir=data_dir,
            as_supervised=True,
            batch_size=-1,
        )
    return train, validation, test


def _shuffled(examples: Examples, batch_size: int, seed: int) -> tf.data.Dataset:
    images, labels = examples

    def take(batch: tf.Tensor) -> Examples:
        return _scale(tf.gather(images, batch), tf.gather(labels, batch))

    return _positions(len(labels), seed).batch(batch_size).map(take)


def _augmented(examples: Examples, batch_size: int, seed: int) -> tf.data.Dataset:
    images, labels = examples
    around = (_PAD, _PAD)
    with tf.device("CPU:0"):
        padded = tf.pad(images, [(0, 0), around, around, (0, 0)])
    # With the seed of the order it would draw the same numbers.
    own = derive(seed, "augment") % 2**31
    draws = tf.data.Dataset.random(seed=own, rerandomize_each_iteration=True)

    def take(batch: tf.Tensor, drawn: tf.Tensor) -> Examples:
        chosen = _cropped(tf.gather(padded, batch), drawn)
        return _scale(chosen, tf.gather(labels, batch))

    positions = _positions(len(labels), seed)
    return tf.data.Dataset.zip((positions, draws)).batch(batch_size).map(take)


def _cropped(padded: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """A window of each image, flipped or not, chosen by one number per image."""
    places = 2 * _PAD + 1
    size = padded.shape[1] - 2 * _PAD
    window = tf.range(size, dtype=drawn.dtype)
    top, left = drawn % places, drawn // places % places
    is_flipped = (drawn // places**2 % 2 == 1)[:, tf.newaxis]
    rows = top[:, tf.newaxis] + window
    columns = left[:, tf.newaxis] + tf.where(is_flipped, window[::-1], window)
    cropped = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(cropped, columns, axis=2, batch_dims=1)


def _positions(size: int, seed: int) -> tf.data.Dataset:
    # Shuffling positions, not images, makes a pass three times faster.
    positions = tf.data.Dataset.range(size)
    return positions.shuffle(size, seed=seed, reshuffle_each_iteration=True)


def _scale(images: tf.Tensor, labels: tf.Tensor) -> Examples:
    return tf.cast(images, tf.float32) / 255.0, labels
