"""Data: the forms that a user may pass, and one feed of batches for training.

A feed knows how many batches an epoch has and opens an iterator at any step.
Arrays are shuffled here, by seed and pass, equal in every round; a dataset of
the user's is taken as it is, one iterator a pass.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery._keras import tf
from tf_lottery.core.plan import Plan

ARGUMENTS = {"val": "validation_data", "test": "test_data"}
_DEFAULT_BATCH_SIZE = 32  # as in Keras `fit`


@dataclass(frozen=True)
class Data:
    """Training, validation and test data: what a recipe's `dataset(seed)` returns.

    Each is a batched `tf.data.Dataset` or arrays `(x, y[, sample_weight])`.
    Validation decides (the step and the winner), test only reports.
    """

    train: Any
    validation: Any = None
    test: Any = None


@dataclass(frozen=True)
class Feed:
    """Training batches that can be opened at any step.

    Attributes:
        steps_per_epoch: Optimizer steps an epoch.
        pass_length: Steps until an iterator ends; None if it never does.
        spec: The element spec of a batch.
        make: From a step to a dataset whose first batch is that of the step.
        ordered_by_step: Whether `make` gives the same batches for the same step;
            a dataset of the user's has an order of its own for each iterator.
    """

    steps_per_epoch: int
    pass_length: int | None
    spec: Any
    make: Callable[[int], Any]
    ordered_by_step: bool

    def open(self, step: int) -> Iterator[Any]:
        """An iterator whose first batch is that of `step`."""
        strategy = tf.distribute.get_strategy()
        dataset = strategy.experimental_distribute_dataset(self.make(step))
        batches: Iterator[Any] = iter(dataset)
        return batches

    def pass_start(self, start: int, step: int) -> int:
        """The step at which a training from `start` opened its iterator of `step`."""
        if self.ordered_by_step or self.pass_length is None:
            return start
        return max(start, step - step % self.pass_length)

    def forward(self, trainings: Iterable[tuple[int, int]]) -> None:
        """Takes what earlier trainings took, so that a seeded shuffle goes on.

        Args:
            trainings: The steps at which each began and ended.
        """
        for _ in range(self.passes(trainings)):
            iter(self.make(0))

    def passes(self, trainings: Iterable[tuple[int, int]]) -> int:
        """How many iterators trainings open, where the order depends on it; else 0."""
        length = self.pass_length
        if self.ordered_by_step or length is None:
            return 0
        return sum(
            (stop - 1) // length - start // length + 1
            for start, stop in trainings
            if stop > start
        )


def is_function(dataset: Any) -> bool:
    """Whether it is a function of the seed; datasets can be called, too."""
    return callable(dataset) and not isinstance(dataset, tf.data.Dataset)


def resolve(dataset: Any, validation: Any, test: Any, plan: Plan) -> Data:
    """The data in one form; a function of the seed is called here.

    Raises:
        ValueError: Validation or test data given twice.
    """
    if is_function(dataset):
        dataset = dataset(plan.seed)
    if not isinstance(dataset, Data):
        return Data(dataset, validation, test)
    if validation is not None and dataset.validation is not None:
        raise ValueError(
            "`validation_data` must be given once: in the `Data` that `dataset` is, or "
            "as an argument. Received: both."
        )
    return Data(
        dataset.train,
        dataset.validation if validation is None else validation,
        dataset.test if test is None else test,
    )


def feed(train: Any, plan: Plan, static: bool = False) -> Feed:
    """The feed of training batches.

    Args:
        train: A dataset or arrays.
        plan: The batch size of arrays, and the steps of an epoch.
        static: Whether batches must be of one size; then a last, smaller one of
            arrays is dropped.

    Raises:
        TypeError: Neither a dataset nor arrays.
        ValueError: Empty data, or data whose length must be given.
    """
    if isinstance(train, tf.data.Dataset):
        if plan.batch_size is not None:
            raise ValueError(
                "`batch_size` is for arrays; a dataset is batched already. "
                f"Received: batch_size={plan.batch_size} with a tf.data.Dataset."
            )
        _check_static("dataset", train, static)
        return _dataset_feed(train, plan)
    return _array_feed(_checked_arrays("dataset", train), plan, static)


def evaluated(data: Data, plan: Plan, static: bool = False) -> dict[str, Any]:
    """Validation and test data, where given, by the prefix of their metrics.

    Raises:
        TypeError: Neither datasets nor arrays.
        ValueError: Empty or endless data.
    """
    found = {"val": data.validation, "test": data.test}
    return {
        name: _evaluation_data(ARGUMENTS[name], part, plan, static)
        for name, part in found.items()
        if part is not None
    }


def describe(
    data: Data, feed: Feed, evaluated: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What is known of each part before it is read; of arrays also their contents."""
    parts = {"dataset": _facts(data.train, feed.spec, feed.steps_per_epoch)}
    for name, source in {"val": data.validation, "test": data.test}.items():
        if name in evaluated:
            spec, length = evaluated[name].element_spec, evaluated[name].cardinality()
            parts[ARGUMENTS[name]] = _facts(source, spec, int(length))
    return parts


def _facts(source: Any, spec: Any, batches: int) -> dict[str, Any]:
    facts = {"batches": batches, "spec": str(spec)}
    if not isinstance(source, tf.data.Dataset):
        contents = hashlib.sha256()
        for array in tf.nest.flatten(tuple(map(as_arrays, source))):
            contents.update(np.ascontiguousarray(array).view(np.uint8).data)
        facts["contents"] = contents.hexdigest()[:16]
    return facts


def _evaluation_data(name: str, data: Any, plan: Plan, static: bool) -> Any:
    """Validation or test data as a finite, batched dataset."""
    if not isinstance(data, tf.data.Dataset):
        arrays = _checked_arrays(name, data)
        data = tf.data.Dataset.from_tensor_slices(arrays)
        data = data.batch(plan.batch_size or _DEFAULT_BATCH_SIZE, static)
        data = _shared_by_batch(data)
    _check_static(name, data, static)
    length = int(data.cardinality())
    if length == 0 or length == tf.data.INFINITE_CARDINALITY:
        found = "an empty dataset" if length == 0 else "an endless one"
        raise ValueError(
            f"`{name}` must have at least one batch, and an end. Received: {found}."
        )
    return data


def _dataset_feed(train: Any, plan: Plan) -> Feed:
    length = int(train.cardinality())
    if length == 0:
        raise ValueError("`dataset` must have at least one batch. Received: none.")
    if length == tf.data.UNKNOWN_CARDINALITY:
        raise ValueError(
            "The number of batches of `dataset` must be known. Received: a dataset of "
            "unknown cardinality. Append `.apply(tf.data.experimental."
            "assert_cardinality(n))`, or `.repeat()` and pass `steps_per_epoch`."
        )
    endless = length == tf.data.INFINITE_CARDINALITY
    if endless and plan.steps_per_epoch is None:
        raise ValueError(
            "An endless dataset needs `steps_per_epoch`, or it never ends an epoch. "
            "Received: steps_per_epoch=None."
        )

    def make(step: int) -> Any:
        offset = step if endless else step % length
        return train.skip(offset) if offset else train

    return Feed(
        steps_per_epoch=plan.steps_per_epoch or length,
        pass_length=None if endless else length,
        spec=train.element_spec,
        make=make,
        ordered_by_step=False,
    )


def _array_feed(arrays: Any, plan: Plan, static: bool) -> Feed:
    size = len(tf.nest.flatten(arrays)[0])
    batch = plan.batch_size or _DEFAULT_BATCH_SIZE
    length = size // batch if static else -(-size // batch)
    if length == 0:
        raise ValueError(
            "A TPU needs full batches: `batch_size` must be at most the number of "
            f"examples. Received: batch_size={batch}, {size} examples."
        )
    tensors = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    made: dict[int, Any] = {}

    def order(number: Any) -> Any:
        seed = tf.stack([tf.cast(plan.seed, tf.int64), number])
        # Stateless, so the order depends on the seed and the pass alone.
        positions = tf.random.experimental.stateless_shuffle(tf.range(size), seed)
        return tf.data.Dataset.from_tensor_slices(positions).batch(batch, static)

    def gather(positions: Any) -> Any:
        return tf.nest.map_structure(lambda t: tf.gather(t, positions), tensors)

    def make(step: int) -> Any:
        number, offset = divmod(step, length)
        if step not in made:
            numbers = tf.data.Dataset.range(number, 2**62)
            batches = numbers.flat_map(order).skip(offset)
            made[step] = _shared_by_batch(batches.map(gather).prefetch(8))
        return made[step]

    return Feed(
        steps_per_epoch=plan.steps_per_epoch or length,
        pass_length=None,
        spec=make(0).element_spec,
        make=make,
        ordered_by_step=True,
    )


def auto_shard_policies(data: Data) -> dict[str, str]:
    """How workers share each dataset of the user's: the names of the policies."""
    parts = {"dataset": data.train}
    parts |= {ARGUMENTS["val"]: data.validation, ARGUMENTS["test"]: data.test}
    return {
        name: part.options().experimental_distribute.auto_shard_policy.name
        for name, part in parts.items()
        if isinstance(part, tf.data.Dataset)
    }


def _shared_by_batch(dataset: Any) -> Any:
    """The dataset, of whose batches each worker takes its part."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return dataset.with_options(options)


def _check_static(name: str, dataset: Any, static: bool) -> None:
    specs = tf.nest.flatten(dataset.element_spec)
    if static and not all(spec.shape.is_fully_defined() for spec in specs):
        raise ValueError(
            f"On a TPU the batches of `{name}` must all be of one known size. "
            f"Received: {dataset.element_spec}. Use `batch(n, drop_remainder=True)`."
        )


def _checked_arrays(name: str, data: Any) -> Any:
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise TypeError(
            f"`{name}` must be a batched tf.data.Dataset, arrays (x, y) or (x, y, "
            "sample_weight), or a function of the seed that returns one of them. "
            f"Received: {type(data).__name__}."
        )
    arrays = tuple(map(as_arrays, data))
    sizes = {len(array) for array in tf.nest.flatten(arrays)}
    if len(sizes) != 1 or sizes == {0}:
        raise ValueError(
            f"The arrays of `{name}` must be of one length, at least 1. "
            f"Received: lengths {sorted(sizes)}."
        )
    return arrays


def first_batches(data: Any, number: int, batch_size: int | None) -> Any:
    """Of a dataset, or arrays, or None, what its first batches hold."""
    if data is None:
        return None
    if isinstance(data, tf.data.Dataset):
        return data.take(number)
    size = number * (batch_size or _DEFAULT_BATCH_SIZE)
    arrays = tuple(map(as_arrays, data))
    return tf.nest.map_structure(lambda array: array[:size], arrays)


def as_arrays(value: Any) -> Any:
    """One array, or a structure of them; a list of arrays is several inputs."""
    if isinstance(value, dict):
        return {name: as_arrays(part) for name, part in value.items()}
    if isinstance(value, list | tuple) and all(np.ndim(part) > 0 for part in value):
        return tuple(map(as_arrays, value))
    return _array(value)


def _array(value: Any) -> Any:
    array = np.asarray(value)
    if array.ndim == 0 or array.dtype == object:
        raise TypeError(
            "Data must be arrays of numbers with one row an example. "
            f"Received: {value!r}."
        )
    # As Keras does: its layers compute in float32.
    return array.astype(np.float32) if array.dtype == np.float64 else array
