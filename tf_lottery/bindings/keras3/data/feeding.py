"""From data to a feed of training batches, and to batches to evaluate on.

Every training begins its data from the start: arrays have an order by seed and pass,
the same on every backend and in tf_keras.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tf_lottery.bindings.keras3.data import arrays
from tf_lottery.bindings.keras3.data.forms import is_arrays
from tf_lottery.bindings.keras3.data.in_memory import InMemory, RowBatches
from tf_lottery.bindings.parts import Devices, Examples
from tf_lottery.bindings.shared import comparable, rows
from tf_lottery.bindings.shared.batches import Batches
from tf_lottery.bindings.shared.class_weight import (
    check,
    check_classes,
    check_labels,
    classes,
)
from tf_lottery.bindings.shared.feed import FeedBase
from tf_lottery.bindings.shared.source import Again, Reading, Source
from tf_lottery.core.data import ARGUMENTS, Data
from tf_lottery.core.plan import BATCH_SIZE, Plan
from tf_lottery.core.seeds import row_order

Weigh = Callable[[Any], Any]


class Feed(FeedBase):
    """The training batches of a seed, as NumPy arrays."""

    ended: ClassVar = (StopIteration,)

    def missing(self, error: BaseException, step: int, what: str) -> Exception | None:
        return self.ended_early(step, what)

    def check_end(self, batches: Iterator[Any], step: int, what: str) -> None:
        nothing = object()
        if self.is_promised and next(batches, nothing) is not nothing:
            raise self.other_length(f"more than {self.pass_length}", step, what)


@dataclass(frozen=True)
class Evaluated:
    """Batches to evaluate on, which can be read many times.

    Attributes:
        read: Gives an iterator of all of them.
        length: How many there are, if that is known.
        spec: The shapes and types of the first.
    """

    read: Callable[[], Iterator[Any]]
    length: int | None
    spec: Any

    def __iter__(self) -> Iterator[Any]:
        return self.read()


def feed(
    train: Any,
    plan: Plan,
    devices: Devices,
    class_weight: Mapping[int, float] | None = None,
    again: Again = None,
) -> Feed:
    """See `Binding.feed`."""
    weigh = _weighing(class_weight)
    if is_arrays(train):
        found = arrays.checked("dataset", train)
        check_classes(class_weight, rows.unpacked(found)[1])
        return _array_feed(found, plan, weigh)
    if plan.batch_size is not None:
        raise ValueError(
            "`batch_size` is for arrays; a dataset is batched already. Received: "
            f"batch_size={plan.batch_size} with batches ({type(train).__name__})."
        )
    return _source_feed(train, plan, weigh, again)


def evaluated(data: Data, plan: Plan, devices: Devices) -> dict[str, Any]:
    """See `Binding.evaluated`: validation and test data that were passed."""
    return {
        name: _evaluated(ARGUMENTS[name], part, plan)
        for name, part in data.evaluated.items()
    }


def data_facts(examples: Examples) -> dict[str, dict[str, Any]]:
    """See `Binding.data_facts`. No batches are read; arrays are hashed."""
    data, feed = examples.data, examples.feed
    parts = {"dataset": _facts(data.train, feed.spec, feed.steps_per_epoch)}
    for name, batches in examples.evaluated.items():
        parts[ARGUMENTS[name]] = _facts(
            data.evaluated[name], batches.spec, batches.length
        )
    return parts


def first_digests(examples: Examples) -> dict[str, str]:
    """See `Binding.first_digests`."""

    def first(part: Any) -> Any:
        compared = isinstance(part, Source) and part.has_read_first
        return part.first if compared else None

    return comparable.first_digests(examples, first, rows.contents)


def data_notes(examples: Examples, devices: Devices) -> list[str]:
    """See `Binding.data_notes`."""
    return [examples.feed.note] if examples.feed.note else []


def contents(data: Any) -> str:
    """See `Binding.contents`."""
    digest = 0
    for batch in data:
        parts = list(rows.leaves(batch))
        for number in range(len(parts[0])):
            row = b"".join(np.asarray(part[number]).tobytes() for part in parts)
            digest ^= int.from_bytes(hashlib.sha256(row).digest(), "big")
    return f"{digest:x}"


def first_inputs(examples: Examples) -> Any:
    """The inputs of the first batch; None if reading it changes later batches."""
    train = examples.data.train
    batch = train.first if isinstance(train, Source) else next(_rows_of(examples))
    return rows.unpacked(batch)[0]


def sample(part: Any) -> Any:
    """Arrays whole, or a first batch."""
    return part.first if isinstance(part, Source) else arrays.packed(part)


def _rows_of(examples: Examples) -> Iterator[Any]:
    return examples.feed.begin().open(0)


@dataclass(frozen=True)
class Spec:
    """The shape and type of one array of a batch."""

    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.shape} {self.dtype}"


def spec_of(batch: Any) -> Any:
    """The shapes and types of a batch, of any number of rows."""
    return rows.mapped(lambda a: Spec((None, *a.shape[1:]), str(a.dtype)), batch)


def _facts(source: Any, spec: Any, batches: int | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"batches": batches, "spec": str(rows.mapped(str, spec))}
    if is_arrays(source):
        facts["contents"] = rows.contents(arrays.packed(source))
    return facts


def _evaluated(name: str, data: Any, plan: Plan) -> Evaluated:
    if isinstance(data, Source):
        data.check_evaluated(name)
        return Evaluated(data.in_order, data.length, spec_of(data.first))
    source = InMemory(arrays.checked(name, data), plan.batch_size or BATCH_SIZE)
    order = np.arange(source.size)
    spec = spec_of(arrays.head(source.rows, 0, 1))
    return Evaluated(lambda: source.batches([order]), source.length, spec)


def _array_feed(found: Any, plan: Plan, weigh: Weigh) -> Feed:
    source = InMemory(weigh(found), plan.batch_size or BATCH_SIZE)

    def make(step: int) -> RowBatches:
        first, skipped = divmod(step, source.length)
        passes = itertools.count(first)
        orders = (row_order(plan.seed, number, source.size) for number in passes)
        return source.batches(orders, skipped)

    spec = spec_of(arrays.head(source.rows, 0, 1))
    return Feed(
        steps_per_epoch=plan.steps_per_epoch or source.length,
        pass_length=None,
        spec=spec,
        example_spec=spec,
        begin=lambda: Batches(make),
    )


def _source_feed(source: Source, plan: Plan, weigh: Weigh, again: Again) -> Feed:
    facts = source.facts(plan, again)

    def begin() -> Batches:
        reading: Reading = source.reading(plan, again)
        return Batches(
            lambda step: map(weigh, reading.from_step(step)),
            reading.begin_pass,
            reading.replayed,
        )

    spec = spec_of(weigh(source.first))
    return Feed(spec=spec, example_spec=spec, begin=begin, **dataclasses.asdict(facts))


def _weighing(class_weight: Mapping[int, float] | None) -> Weigh:
    """Multiplies the weights of examples by those of their classes, as Keras does."""
    if class_weight is None:
        return lambda batch: batch
    check(class_weight)
    by_class = {int(label): float(weight) for label, weight in class_weight.items()}
    table = np.array([by_class[label] for label in range(len(by_class))], np.float32)

    def weigh(batch: Any) -> Any:
        x, y, of_examples = rows.unpacked(batch)
        check_labels(y)
        check_classes(class_weight, y)
        labels = classes(y)
        if labels.ndim > 1 and labels.shape[-1] == 1:
            labels = labels[..., 0]
        weights = table[labels]
        if of_examples is not None:
            more = weights.ndim - of_examples.ndim
            shape = (*of_examples.shape, *(1,) * more)
            if of_examples.dtype.kind in "biu":  # they cannot hold 0.5
                of_examples = of_examples.astype(weights.dtype)
            weights = weights.astype(of_examples.dtype) * of_examples.reshape(shape)
        return rows.repacked(x, y, weights)

    return weigh
