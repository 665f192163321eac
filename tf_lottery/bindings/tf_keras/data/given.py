"""Data: what a user passes for training, validation and test, in one form."""

import inspect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.data import arrays
from tf_lottery.bindings.tf_keras.data.batched import (
    Batched,
    Generated,
    Indexed,
    Once,
    count,
    is_generator,
    is_sequence,
)
from tf_lottery.bindings.tf_keras.seeds import seeded
from tf_lottery.core.checks import check_fraction
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive

ARGUMENTS = {"val": "validation_data", "test": "test_data"}
BATCH_SIZE = 32  # as in Keras `fit`


@dataclass(frozen=True)
class Data:
    """Training, validation and test data: what a recipe's `dataset(seed)` returns.

    Each is a batched `tf.data.Dataset`, arrays `(x, y[, sample_weight])`, or a
    `keras.utils.Sequence`. Validation decides (the step and the winner), test only
    reports.
    """

    train: Any
    validation: Any = None
    test: Any = None


@dataclass(frozen=True)
class Given:
    """What a user passed.

    Attributes:
        train: Training data, or a function of the seed.
        validation, test: Data to evaluate on.
        class_weight: The weight of each class in the training loss.
        validation_split: The last fraction of arrays, to validate on.
    """

    train: Any
    validation: Any = None
    test: Any = None
    class_weight: Mapping[int, float] | None = None
    validation_split: float | None = None

    def resolved(self, plan: Plan) -> Data:
        """The data of a plan's seed, split.

        Raises:
            TypeError, ValueError: A function that cannot take the seed; data that
                cannot be split.
        """
        with seeded(derive(plan.seed, "data")):
            data = resolve(self.train, self.validation, self.test, plan)
        if self.validation_split is not None:
            data = _split(data, self.validation_split)
        return data

    def facts(self) -> dict[str, Any]:
        """What these data are trained with, for `plan.json`."""
        facts: dict[str, Any] = {}
        if self.class_weight is not None:
            weights = {str(k): float(v) for k, v in self.class_weight.items()}
            facts["class_weight"] = weights
        if self.validation_split is not None:
            facts["validation_split"] = self.validation_split
        return facts

    def of(self, data: Data) -> "Given":
        """The same for other seeds: data that are no function stay what they are."""
        if is_function(self.train):
            return self
        return Given(data.train, data.validation, data.test, self.class_weight)


def is_function(dataset: Any) -> bool:
    """Whether it is a function of the seed; datasets can be called, too."""
    other = isinstance(dataset, tf.data.Dataset | Batched) or is_sequence(dataset)
    return callable(dataset) and not other


def is_arrays(part: Any) -> bool:
    """Whether it is rows in memory, or what should be."""
    return not isinstance(part, tf.data.Dataset | Batched)


def resolve(dataset: Any, validation: Any, test: Any, plan: Plan) -> Data:
    """The data in one form; a function of the seed is called here.

    Raises:
        TypeError: A function that cannot take the seed.
        ValueError: Validation or test data given twice.
    """

    def again(name: str) -> Callable[[], Any] | None:
        if not is_function(dataset):
            return None

        def call() -> Any:
            with seeded(derive(plan.seed, "data")):
                return getattr(_as_data(_called(dataset, plan.seed)), name)

        return call

    data = _as_data(_called(dataset, plan.seed) if is_function(dataset) else dataset)
    if validation is not None and data.validation is not None:
        raise ValueError(
            "`validation_data` must be given once: in the `Data` that `dataset` is, or "
            "as an argument. Received: both."
        )
    return Data(
        _part(data.train, again("train")),
        _part(data.validation, again("validation"))
        if validation is None
        else _part(validation),
        _part(data.test, again("test")) if test is None else _part(test),
    )


def is_of_unknown_length(train: Any) -> bool:
    """Whether it is a dataset whose batches nobody has counted."""
    unknown = tf.data.UNKNOWN_CARDINALITY
    return isinstance(train, tf.data.Dataset) and int(train.cardinality()) == unknown


def of_known_length(train: Any, plan: Plan) -> Any:
    """A dataset of unknown length: counted, or repeated for `steps_per_epoch`."""
    if plan.steps_per_epoch is not None:
        return train.repeat()
    return train.apply(tf.data.experimental.assert_cardinality(count(train)))


def first_batches(data: Any, number: int, batch_size: int | None) -> Any:
    """Of data in any form, or None, what its first batches hold."""
    if data is None:
        return None
    if is_generator(data):
        return Indexed(list(itertools.islice(data, number)))
    part = _part(data)
    if not is_arrays(part):
        dataset = part if isinstance(part, tf.data.Dataset) else part.dataset()
        return dataset.take(number)
    rows = arrays.packed(data)
    size = min(number * (batch_size or BATCH_SIZE), arrays.size(rows))
    return arrays.head(rows, 0, size)


def _as_data(found: Any) -> Data:
    return found if isinstance(found, Data) else Data(found)


def _called(function: Any, seed: int) -> Any:
    try:
        signature = inspect.signature(function)
        signature.bind(seed)
        _check_seed(next(iter(signature.parameters.values())))
    except TypeError as error:
        name = getattr(function, "__name__", type(function).__name__)
        if isinstance(function, type):
            raise TypeError(
                "`dataset` must be data, or a function of the seed that returns them. "
                f"Received: the class `{name}`. Pass an object of it, `{name}(...)`."
            ) from error
        if name.startswith("<"):
            name = "dataset"
        raise TypeError(
            "A function of the data must take the seed, and return the data. Received: "
            f"`{name}`, which cannot take it ({error}). Write `def "
            f"{name}(seed):`, and draw from the seed what is random."
        ) from error
    except ValueError:  # of some built-in functions nothing is known
        pass
    return function(seed)


def _check_seed(first: inspect.Parameter) -> None:
    """Raises of a parameter with a default that means something else, as a size."""
    if first.default is not inspect.Parameter.empty and first.name != "seed":
        raise TypeError(f"its first parameter is {str(first)!r}")


def _part(part: Any, again: Callable[[], Any] | None = None) -> Any:
    """Batches of Python code in the form that can be read many times."""
    if isinstance(part, tf.data.Dataset | Batched) or part is None:
        return part
    if is_sequence(part):
        return Indexed(part)
    if is_generator(part):
        return Generated(again) if again else Once(part)
    return part


def _split(data: Data, fraction: float) -> Data:
    check_fraction("validation_split", fraction)
    if data.validation is not None:
        raise ValueError(
            "Validation data must be given once. Received: `validation_split` and "
            "`validation_data`. Leave one out."
        )
    if not is_arrays(data.train):
        raise ValueError(
            "`validation_split` is for arrays, as in Keras. Received: batches "
            f"({type(data.train).__name__}). Pass `validation_data`."
        )
    rows = arrays.checked("dataset", data.train)
    size = arrays.size(rows)
    at = int(size * (1.0 - fraction))
    if at in (0, size):
        raise ValueError(
            "`validation_split` must leave examples for training and for validation. "
            f"Received: validation_split={fraction} of {size} examples."
        )
    train, validation = arrays.head(rows, 0, at), arrays.head(rows, at, size)
    return replace(data, train=train, validation=validation)
