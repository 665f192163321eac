"""The data of a seed, in one order for every training.

Each training begins its data anew, so every round sees the same order (the paper's
protocol): rows in memory are ordered by seed and pass (`core/seeds.py`), and a function
of the seed is called again. Only data that were passed as an object with an order of
their own go on from training to training.
"""

import functools
from typing import Any

from tf_lottery.bindings.parts import Devices, Engine
from tf_lottery.core.plan import Plan
from tf_lottery.training.data import Given


class SeededData:
    """Training and evaluation data of a plan's seed.

    Args:
        given: What the user passed.
        plan: The seed, the batch size and the steps of an epoch.
        devices: What trains.

    Attributes:
        plan: The plan.
        data: The data in one form.
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
        """The data of another plan.

        Raises:
            ValueError: They differ in more than their values.
        """
        other = SeededData(self._given.of(self.data), plan, self._devices)
        mine, theirs = self.feed, other.feed
        if (theirs.spec, theirs.steps_per_epoch) != (mine.spec, mine.steps_per_epoch):
            raise ValueError(
                "`dataset(seed)` must return batches of one kind and number for every "
                f"seed. Received: {theirs.steps_per_epoch} of {theirs.spec} for seed "
                f"{plan.seed}, {mine.steps_per_epoch} of {mine.spec} before."
            )
        return other

    def reordered(self, plan: Plan) -> "SeededData":
        """The same examples in the order of another plan's seed.

        Raises:
            ValueError: A function of the seed that splits the data by it.
        """
        given, binding = self._given, self._given.binding
        if not given.is_function:
            return self.of(plan)
        if binding.is_ordered_by_seed(self.data.train):
            parts = self.data.train, self.data.validation, self.data.test
            same = Given(binding, *parts, given.class_weight)
            return SeededData(same, plan, self._devices)
        other = self.of(plan)
        contents = [binding.contents(each.evaluated["val"]) for each in (self, other)]
        if contents[0] != contents[1]:
            raise ValueError(
                "Copies must differ in the order of their data alone. Received: a "
                "function of the seed whose validation data differ by seed. Split the "
                "data under a seed of its own."
            )
        return other

    @functools.cached_property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What is known of the data, for `plan.json`."""
        facts = self._given.binding.data_facts(self)
        facts["dataset"] |= self._given.facts()
        return facts

    def monitors(self, engine: Engine) -> list[str]:
        """The scores that could decide about a model; the first is the default."""
        head = "val_" if "val" in self.evaluated else ""
        return [f"{head}{name}" for name in engine.metrics]

    @property
    def notes(self) -> list[str]:
        """What a user should know of the data before they are trained on."""
        return self._given.binding.data_notes(self, self._devices)
