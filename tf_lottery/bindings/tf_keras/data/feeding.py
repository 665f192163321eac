"""From data to a feed of training batches, and to datasets to evaluate on.

Arrays are shuffled here, by seed and pass, equal in every round; a dataset of
the user's is taken as it is, one iterator a pass.
"""

from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.data import arrays
from tf_lottery.bindings.tf_keras.data.batched import Batched, Weigh
from tf_lottery.bindings.tf_keras.data.class_weight import check_classes, weighing
from tf_lottery.bindings.tf_keras.data.feed import Feed, shared_by_batch
from tf_lottery.bindings.tf_keras.data.given import (
    ARGUMENTS,
    BATCH_SIZE,
    Data,
    is_arrays,
)
from tf_lottery.bindings.tf_keras.data.repeatable import parts
from tf_lottery.core.plan import Plan


def feed(
    train: Any,
    plan: Plan,
    static: bool = False,
    class_weight: Mapping[int, float] | None = None,
) -> Feed:
    """The feed of training batches.

    Args:
        train: Data in any form.
        plan: The batch size of arrays, and the steps of an epoch.
        static: Whether batches must be of one size; then a last, smaller one of
            arrays is dropped.
        class_weight: The weight of each class.

    Raises:
        TypeError: No data.
        ValueError: Empty data, or data whose length must be given.
    """
    weigh = weighing(class_weight)
    if is_arrays(train):
        rows = arrays.checked("dataset", train)
        check_classes(class_weight, arrays.unpacked(rows)[1])
        return _array_feed(rows, plan, static, weigh)
    if plan.batch_size is not None:
        kind = "tf.data.Dataset" if isinstance(train, tf.data.Dataset) else "Sequence"
        raise ValueError(
            "`batch_size` is for arrays; a dataset is batched already. "
            f"Received: batch_size={plan.batch_size} with a {kind}."
        )
    if isinstance(train, Batched):
        found = train.feed(plan, weigh)
        _check_static("dataset", found.spec, static)
        return found
    _check_static("dataset", train.element_spec, static)
    return _dataset_feed(train, plan, weigh)


def evaluated(data: Data, plan: Plan, static: bool = False) -> dict[str, Any]:
    """Validation and test data, where given, by the prefix of their metrics.

    Raises:
        TypeError: No data.
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


def auto_shard_policies(data: Data) -> dict[str, str]:
    """How workers share each dataset of the user's: the names of the policies."""
    parts = {"dataset": data.train}
    parts |= {ARGUMENTS["val"]: data.validation, ARGUMENTS["test"]: data.test}
    return {
        name: part.options().experimental_distribute.auto_shard_policy.name
        for name, part in parts.items()
        if isinstance(part, tf.data.Dataset)
    }


def _facts(source: Any, spec: Any, batches: int) -> dict[str, Any]:
    facts = {"batches": batches, "spec": str(spec)}
    if is_arrays(source):
        facts["contents"] = arrays.contents(arrays.packed(source))
    return facts


def _evaluation_data(name: str, data: Any, plan: Plan, static: bool) -> Any:
    """Validation or test data as a finite, batched dataset."""
    if is_arrays(data):
        data = tf.data.Dataset.from_tensor_slices(arrays.checked(name, data))
        data = data.batch(plan.batch_size or BATCH_SIZE, static)
        data = shared_by_batch(data)
    elif isinstance(data, Batched):
        data = shared_by_batch(data.dataset())
    _check_static(name, data.element_spec, static)
    length = int(data.cardinality())
    if length == 0 or length == tf.data.INFINITE_CARDINALITY:
        found = "an empty dataset" if length == 0 else "an endless one"
        raise ValueError(
            f"`{name}` must have at least one batch, and an end. Received: {found}."
        )
    return data


def _dataset_feed(train: Any, plan: Plan, weigh: Weigh) -> Feed:
    length = int(train.cardinality())
    if length == 0:
        raise ValueError("`dataset` must have at least one batch. Received: none.")
    endless = length == tf.data.INFINITE_CARDINALITY
    if endless and plan.steps_per_epoch is None:
        raise ValueError(
            "An endless dataset needs `steps_per_epoch`, or it never ends an epoch. "
            "Received: steps_per_epoch=None."
        )
    weighted = weigh(train)
    kinds = {type(part).__name__ for part in parts(train)}

    def make(step: int) -> Any:
        offset = step if endless else step % length
        return weighted.skip(offset) if offset else weighted

    return Feed(
        steps_per_epoch=plan.steps_per_epoch or length,
        pass_length=None if endless else length,
        spec=weighted.element_spec,
        make=make,
        ordered_by_step=False,
        is_promised=not endless and "_AssertCardinalityDataset" in kinds,
        advice="If you promised them by `assert_cardinality`, correct the number, or "
        "leave it out: then the batches are counted.",
    )


def _array_feed(rows: Any, plan: Plan, static: bool, weigh: Weigh) -> Feed:
    size = arrays.size(rows)
    batch = plan.batch_size or BATCH_SIZE
    length = size // batch if static else -(-size // batch)
    if length == 0:
        raise ValueError(
            "A TPU needs full batches: `batch_size` must be at most the number of "
            f"examples. Received: batch_size={batch}, {size} examples."
        )
    tensors = arrays.Rows(rows)
    made: dict[int, Any] = {}

    def order(number: Any) -> Any:
        seed = tf.stack([tf.cast(plan.seed, tf.int64), number])
        # Stateless, so the order depends on the seed and the pass alone.
        positions = tf.random.experimental.stateless_shuffle(tf.range(size), seed)
        return tf.data.Dataset.from_tensor_slices(positions).batch(batch, static)

    def make(step: int) -> Any:
        number, offset = divmod(step, length)
        if step not in made:
            numbers = tf.data.Dataset.range(number, 2**62)
            batches = numbers.flat_map(order).skip(offset)
            weighted = weigh(batches.map(tensors.take))
            made[step] = shared_by_batch(weighted.prefetch(8))
        return made[step]

    return Feed(
        steps_per_epoch=plan.steps_per_epoch or length,
        pass_length=None,
        spec=make(0).element_spec,
        make=make,
        ordered_by_step=True,
    )


def _check_static(name: str, spec: Any, static: bool) -> None:
    shapes = [part.shape for part in tf.nest.flatten(spec)]
    if static and not all(shape.is_fully_defined() for shape in shapes):
        raise ValueError(
            f"On a TPU the batches of `{name}` must all be of one known size. "
            f"Received: {spec}. Use `batch(n, drop_remainder=True)`."
        )
