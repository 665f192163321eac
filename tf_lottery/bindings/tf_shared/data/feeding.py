"""From data to a feed of training batches, and to datasets to evaluate on.

Every training begins its data from the start: arrays have an order by seed and pass,
and a function of the seed is called again. A dataset that was passed as an object and
shuffles continues from training to training.
"""

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.parts import Examples
from tf_lottery.bindings.shared import comparable
from tf_lottery.bindings.shared.class_weight import check_classes
from tf_lottery.bindings.shared.source import (
    NOT_REPEATED,
    Again,
    Source,
    check_ends,
    check_has_end,
    count,
)
from tf_lottery.bindings.tf_shared._imports import tf
from tf_lottery.bindings.tf_shared.data import arrays, repeatable
from tf_lottery.bindings.tf_shared.data.class_weight import weighing
from tf_lottery.bindings.tf_shared.data.feed import (
    Batches,
    Feed,
    Weigh,
    evaluated_source,
    shared_by_batch,
    source_feed,
)
from tf_lottery.bindings.tf_shared.data.forms import is_arrays
from tf_lottery.core.data import ARGUMENTS, Data
from tf_lottery.core.plan import BATCH_SIZE, Plan
from tf_lottery.core.seeds import row_order


def feed(
    train: Any,
    plan: Plan,
    devices: Any,
    class_weight: Mapping[int, float] | None = None,
    again: Again = None,
) -> Feed:
    """See `Binding.feed`.

    If the devices need batches of one size, a smaller last batch of arrays is dropped.
    """
    weigh, static = weighing(class_weight), devices.needs_static_shapes
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
    if isinstance(train, Source):
        found = source_feed(train, plan, weigh, again)
        _check_static("dataset", found.spec, static)
        return found
    _check_static("dataset", train.element_spec, static)
    return _dataset_feed(train, plan, weigh, again)


def evaluated(data: Data, plan: Plan, devices: Any) -> dict[str, Any]:
    """See `Binding.evaluated`: validation and test data that were passed."""
    static = devices.needs_static_shapes
    return {
        name: _evaluation_data(ARGUMENTS[name], part, plan, static)
        for name, part in data.evaluated.items()
    }


def data_facts(examples: Examples) -> dict[str, dict[str, Any]]:
    """See `Binding.data_facts`. No dataset is read; arrays are hashed."""
    data, feed = examples.data, examples.feed
    parts = {"dataset": _facts(data.train, feed.spec, feed.steps_per_epoch)}
    for name, dataset in examples.evaluated.items():
        spec, length = dataset.element_spec, int(dataset.cardinality())
        parts[ARGUMENTS[name]] = _facts(data.evaluated[name], spec, length)
    return parts


def first_digests(examples: Examples) -> dict[str, str]:
    """See `Binding.first_digests`."""

    def first(part: Any) -> Any:
        if isinstance(part, Source):
            return part.first
        compared = not is_arrays(part) and repeatable.leaves_no_trace(part)
        return next(iter(part.take(1))) if compared else None

    return comparable.first_digests(examples, first, arrays.contents)


def data_notes(examples: Examples, devices: Any) -> list[str]:
    """See `Binding.data_notes`."""
    found = [examples.feed.note] if examples.feed.note else []
    data, count = examples.data, devices.processes.count
    evaluated = {ARGUMENTS[name]: part for name, part in data.evaluated.items()}
    for name, part in {"dataset": data.train, **evaluated}.items():
        if count > 1 and isinstance(part, tf.data.Dataset):
            policy = part.options().experimental_distribute.auto_shard_policy.name
            found.append(
                f"The batches of `{name}` are shared among {count} workers by its "
                f"auto-shard policy, {policy}."
            )
    return found


def contents(data: Any) -> str:
    """See `Binding.contents`."""
    digest = 0
    for batch in data.unbatch().as_numpy_iterator():
        parts = b"".join(np.asarray(a).tobytes() for a in tf.nest.flatten(batch))
        digest ^= int.from_bytes(hashlib.sha256(parts).digest(), "big")
    return f"{digest:x}"


def first_inputs(examples: Examples) -> Any:
    """The inputs of the first batch; None if reading it changes later batches."""
    train = examples.data.train
    if is_arrays(train):
        batch = next(examples.feed.begin().open(0))
    elif isinstance(train, Source):
        batch = train.first
    elif repeatable.leaves_no_trace(train):
        batch = next(iter(train.take(1)))
    else:
        return None
    inputs, _, _ = arrays.unpacked(batch)
    return inputs


def sample(part: Any) -> Any:
    """Arrays whole, or a first batch as arrays; None if reading one leaves a trace."""
    if is_arrays(part):
        return arrays.packed(part)
    if isinstance(part, Source):
        return part.first
    if repeatable.leaves_no_trace(part):
        return next(part.take(1).as_numpy_iterator())
    return None


def _facts(source: Any, spec: Any, batches: int) -> dict[str, Any]:
    facts = {"batches": batches, "spec": str(spec)}
    if is_arrays(source):
        facts["contents"] = arrays.contents(arrays.packed(source))
    return facts


def _evaluation_data(name: str, data: Any, plan: Plan, static: bool) -> Any:
    if is_arrays(data):
        data = tf.data.Dataset.from_tensor_slices(arrays.checked(name, data))
        data = data.batch(plan.batch_size or BATCH_SIZE, static)
        data = shared_by_batch(data)
    elif isinstance(data, Source):
        data.check_evaluated(name)
        data = shared_by_batch(evaluated_source(data))
    _check_static(name, data.element_spec, static)
    length = int(data.cardinality())
    check_has_end(name, length == 0, length == tf.data.INFINITE_CARDINALITY)
    return data


def _dataset_feed(train: Any, plan: Plan, weigh: Weigh, again: Again) -> Feed:
    length, counted = int(train.cardinality()), None
    if length == tf.data.UNKNOWN_CARDINALITY:
        length = tf.data.INFINITE_CARDINALITY
        if plan.steps_per_epoch is None:
            length = counted = count(train)
        train = _of_length(train, length)
    if length == 0:
        raise ValueError("`dataset` must have at least one batch. Received: none.")
    endless = length == tf.data.INFINITE_CARDINALITY
    check_ends(None if endless else length, plan)
    kinds = {type(each).__name__ for each in repeatable.parts(train)}
    repeats = repeatable.is_repeatable(train, again is not None)
    call = None if repeatable.is_constant(train) else again

    def begin() -> Batches:
        weighted = weigh(_of_length(call(), length) if call else train)

        def make(step: int) -> Any:
            offset = step if endless else step % length
            return weighted.skip(offset) if offset else weighted

        return Batches(make, replayed=length if call and not endless else None)

    spec = weigh(train).element_spec
    return Feed(
        steps_per_epoch=plan.steps_per_epoch or length,
        pass_length=None if endless else length,
        spec=spec,
        example_spec=spec,
        begin=begin,
        repeatable=repeats,
        note=_note(counted, repeats),
        is_promised=not endless and "_AssertCardinalityDataset" in kinds,
        advice="If you promised them by `assert_cardinality`, correct the number, or "
        "remove it: the batches are then counted.",
    )


def _note(counted: int | None, repeats: bool) -> str:
    """What a user should know about a dataset of that many counted batches."""
    notes = []
    if counted is not None:
        notes.append(f"`dataset` has {counted:,} batches, counted in a first pass.")
    if not repeats:
        notes.append(NOT_REPEATED)
    return " ".join(notes)


def _of_length(train: Any, length: int) -> Any:
    """A dataset whose length TensorFlow may not know, with that length."""
    unknown = int(train.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    if length == tf.data.INFINITE_CARDINALITY:
        return train.repeat() if unknown else train
    return train.apply(tf.data.experimental.assert_cardinality(length))


def _array_feed(rows: Any, plan: Plan, static: bool, weigh: Weigh) -> Feed:
    size = arrays.size(rows)
    batch = plan.batch_size or BATCH_SIZE
    length = size // batch if static else -(-size // batch)
    if length == 0:
        raise ValueError(
            "A TPU needs full batches: `batch_size` must be at most the number of "
            f"examples. Received: batch_size={batch}, {size} examples."
        )
    take = arrays.taking(rows)

    def order(number: Any) -> Any:
        positions = tf.numpy_function(
            lambda number: row_order(plan.seed, int(number), size), [number], tf.int64
        )
        positions = tf.ensure_shape(positions, [size])
        return tf.data.Dataset.from_tensor_slices(positions).batch(batch, static)

    @functools.cache
    def make(step: int) -> Any:
        number, offset = divmod(step, length)
        numbers = tf.data.Dataset.range(number, 2**62)
        batches = numbers.flat_map(order).skip(offset)
        return shared_by_batch(weigh(batches.map(take)).prefetch(8))

    spec = make(0).element_spec
    return Feed(
        steps_per_epoch=plan.steps_per_epoch or length,
        pass_length=None,
        spec=spec,
        example_spec=spec,
        begin=lambda: Batches(make),
    )


def _check_static(name: str, spec: Any, static: bool) -> None:
    shapes = [part.shape for part in tf.nest.flatten(spec)]
    if static and not all(shape.is_fully_defined() for shape in shapes):
        raise ValueError(
            f"On a TPU the batches of `{name}` must all be of one known size. "
            f"Received: {spec}. Use `batch(n, drop_remainder=True)`."
        )
