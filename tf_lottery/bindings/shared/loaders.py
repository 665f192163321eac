"""Loaders of PyTorch, which shuffle themselves: here by the seed and the pass."""

import itertools
from collections.abc import Iterator
from typing import Any

from tf_lottery.bindings.shared.randomness import Randomness
from tf_lottery.bindings.shared.source import (
    Again,
    Facts,
    Reading,
    Source,
    Standard,
    count,
    first_of,
)
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive


def is_loader(value: Any) -> bool:
    """Whether it is a `DataLoader` of PyTorch."""
    mro = type(value).__mro__
    kinds = (f"{kind.__module__}.{kind.__name__}" for kind in mro)
    return "torch.utils.data.dataloader.DataLoader" in kinds


class Loader(Source):
    """A `DataLoader`, whose random numbers are drawn from the seed and the pass."""

    def __init__(self, loader: Any, standard: Standard) -> None:
        self._loader = loader
        self._standard = standard
        try:
            self.length = len(loader) or None
        except TypeError:  # of an iterable dataset
            self.length = None
        self.first = first_of(self._pass(0, 0))

    def in_order(self) -> Iterator[Any]:
        return self._pass(0, 0)

    def facts(self, plan: Plan, again: Again) -> Facts:
        if self.length is None and plan.steps_per_epoch is None:
            self.length = count(self._pass(0, 0))
        return Facts(
            plan.steps_per_epoch or self.length or 0,
            self.length,
            note="`dataset` is a DataLoader: what it and its dataset draw follows from "
            "seed and pass. This search can be resumed and repeated.",
            is_promised=self.length is not None,
            advice="A DataLoader must have as many batches in each pass.",
        )

    def reading(self, plan: Plan, again: Again) -> Reading:
        def from_step(step: int) -> Iterator[Any]:
            number, offset = divmod(step, self.length) if self.length else (0, step)
            return itertools.islice(self._pass(plan.seed, number), offset, None)

        return Reading(from_step)

    def _pass(self, seed: int, number: int) -> Iterator[Any]:
        """The batches of a pass; random numbers of others stay as they were."""
        randomness = Randomness(derive(seed, "pass", number))
        with randomness:
            if (generator := getattr(self._loader, "generator", None)) is not None:
                generator.manual_seed(derive(seed, "pass", number))
            batches = iter(self._loader)
        while True:
            with randomness:
                batch = next(batches, None)
            if batch is None:
                return
            yield self._standard(batch)
