"""The data that a user passed, for each seed.

Every training begins its data from the start, so every round sees the same order (the
paper's protocol): rows in memory are ordered by seed and pass (`core/seeds.py`), and a
function of the seed is called again. Only an object with an order of its own continues
from training to training.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tf_lottery.bindings.parts import Devices
from tf_lottery.bindings.protocol import Binding
from tf_lottery.core.data import Data
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive

_PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Given:
    """Data as they were passed; `train` may be a function of the seed."""

    binding: Binding
    train: Any
    validation: Any = None
    test: Any = None
    class_weight: Mapping[int, float] | None = None
    validation_split: float | None = None

    @property
    def is_function(self) -> bool:
        """Whether it is a function of the seed."""
        return callable(self.train) and not self.binding.is_batches(self.train)

    def resolved(self, plan: Plan) -> Data:
        """The data of a plan's seed, split; a function of the seed is called here.

        Each part is then in a form that `Binding.readable` gives: rows in memory are
        as they were passed.
        """
        data = self.of_seed(plan)
        if self.validation is not None and data.validation is not None:
            raise ValueError(
                "`validation_data` must be given once: in the `Data` that `dataset` "
                "is, or as an argument. Received: both."
            )
        readable = self.binding.readable
        parts = {n: readable(getattr(data, n), self.again(n, plan)) for n in _PARTS}
        for name in ("validation", "test"):
            if (passed := getattr(self, name)) is not None:
                parts[name] = readable(passed, None)
        found = Data(**parts)
        if self.validation_split is not None:
            return self.binding.split(found, self.validation_split)
        return found

    def of_seed(self, plan: Plan) -> Data:
        """The data as they were passed, or as the function returns them."""
        found = self.train
        if self.is_function:
            with self.binding.seeded(derive(plan.seed, "data")):
                found = _called(found, plan.seed)
        return found if isinstance(found, Data) else Data(found)

    def again(self, name: str, plan: Plan) -> Callable[[], Any] | None:
        """Calls the function for one part of its data; None without a function."""
        return (lambda: getattr(self.of_seed(plan), name)) if self.is_function else None

    def fixed(self, data: Data) -> "Given":
        """The same data for every seed."""
        parts = data.train, data.validation, data.test
        return Given(self.binding, *parts, self.class_weight)


class SeededData:
    """Training and evaluation data of a plan's seed.

    Attributes:
        data: Training, validation and test data: rows in memory as they were
            passed, or batches that can be read for each training.
        feed: The batches of training.
        evaluated: Validation and test data, by the prefix of their metrics.
    """

    def __init__(self, given: Given, plan: Plan, devices: Devices) -> None:
        self._given = given
        self.plan = plan
        self._devices = devices
        binding = given.binding
        self.data = given.resolved(plan)
        again, weights = given.again("train", plan), given.class_weight
        self.feed = binding.feed(self.data.train, plan, devices, weights, again)
        self.evaluated = binding.evaluated(self.data, plan, devices)

    def of(self, plan: Plan) -> "SeededData":
        """The data of another plan, which may differ in their values alone."""
        given = self._given
        if not given.is_function:
            given = given.fixed(self.data)
        other = SeededData(given, plan, self._devices)
        mine, theirs = self.feed, other.feed
        if (theirs.spec, theirs.steps_per_epoch) != (mine.spec, mine.steps_per_epoch):
            raise ValueError(
                "`dataset(seed)` must return batches of one kind and number for every "
                f"seed. Received: {theirs.steps_per_epoch} of {theirs.spec} for seed "
                f"{plan.seed}, {mine.steps_per_epoch} of {mine.spec} before."
            )
        return other

    def reordered(self, plan: Plan) -> "SeededData":
        """The same examples in the order of another plan's seed."""
        given, binding = self._given, self._given.binding
        if not given.is_function:
            return self.of(plan)
        if binding.is_ordered_by_seed(self.data.train):
            return SeededData(given.fixed(self.data), plan, self._devices)
        other = self.of(plan)
        contents = [binding.contents(each.evaluated["val"]) for each in (self, other)]
        if contents[0] != contents[1]:
            raise ValueError(
                "Copies must differ in the order of their data alone. Received: a "
                "function of the seed whose validation data differ by seed. Split the "
                "data under a fixed seed."
            )
        return other

    @property
    def is_function(self) -> bool:
        """Whether they are a function of the seed."""
        return self._given.is_function

    @functools.cached_property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What is known about the data, for `plan.json`."""
        given = self._given
        facts = given.binding.data_facts(self)
        if given.class_weight is not None:
            weights = {str(k): float(v) for k, v in given.class_weight.items()}
            facts["dataset"]["class_weight"] = weights
        if given.validation_split is not None:
            facts["dataset"]["validation_split"] = given.validation_split
        return facts

    @functools.cached_property
    def first_digests(self) -> dict[str, str]:
        """Hashes of first batches, for `plan.json`."""
        return self._given.binding.first_digests(self)

    @property
    def notes(self) -> list[str]:
        """What a user should know about the data before the first training."""
        return self._given.binding.data_notes(self, self._devices)


def _called(function: Any, seed: int) -> Any:
    try:
        signature = inspect.signature(function)
        signature.bind(seed)
        first = next(iter(signature.parameters.values()))
        # With a default it may mean something else: a size.
        if first.default is not inspect.Parameter.empty and first.name != "seed":
            raise TypeError(f"its first parameter is {str(first)!r}")
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
    except ValueError:  # some built-in functions have no signature
        pass
    return function(seed)
