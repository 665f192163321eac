"""Loaders of PyTorch, which shuffle themselves: here by the seed and the pass."""

import itertools
from collections.abc import Iterator
from typing import Any

from tf_lottery.bindings.shared.randomness import Randomness, generators_of
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

# So many entries of a sampler are read to see whether they are the same again.
_PROBED = 100


def is_loader(value: Any) -> bool:
    """Whether it is a `DataLoader` of PyTorch."""
    return _is_of(value, "dataloader.DataLoader")


def check_loaded(value: Any, again: Again) -> None:
    """Raises if it is of PyTorch and gives batches only by a `DataLoader`."""
    if _is_of(value, "dataset.Dataset"):
        raise TypeError(
            "A Dataset of PyTorch must be in a DataLoader, which makes its batches. "
            f"Received: {type(value).__name__}. Pass "
            "`torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)`; if "
            "its items are batches, `DataLoader(dataset, batch_size=None)`."
        )
    if again is None and _is_of(value, "dataloader._BaseDataLoaderIter"):
        raise TypeError(
            "A search trains several times, and an iterator can be read once. Received:"
            " the iterator of a DataLoader. Pass the DataLoader itself."
        )


def _is_of(value: Any, kind: str) -> bool:
    """Whether it is of a class of `torch.utils.data`, or below it."""
    mro = type(value).__mro__
    return f"torch.utils.data.{kind}" in (f"{k.__module__}.{k.__name__}" for k in mro)


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
            repeatable=(repeats := self._repeats()),
            note=self._note(repeats),
            is_promised=self.length is not None,
            advice="A DataLoader must have as many batches in each pass.",
        )

    def reading(self, plan: Plan, again: Again) -> Reading:
        def from_step(step: int) -> Iterator[Any]:
            number, offset = divmod(step, self.length) if self.length else (0, step)
            return itertools.islice(self._pass(plan.seed, number), offset, None)

        return Reading(from_step)

    def _note(self, repeats: bool) -> str:
        if not repeats:
            return (
                "`dataset` is a DataLoader whose sampler gives another order each time "
                "that it is read, whatever the seed: this search can be resumed but "
                "not repeated. Let the sampler draw from the generators of the process "
                "or from one that is an attribute of it, of PyTorch, NumPy or Python."
            )
        note = (
            "`dataset` is a DataLoader: its order follows from seed and pass. This "
            "search can be resumed and repeated if what the loader, its sampler and "
            "its dataset draw comes from generators of PyTorch, NumPy or Python, those "
            "of the process or attributes of theirs"
        )
        if getattr(self._loader, "persistent_workers", False):
            note += (
                ", and if its workers draw nothing, as `persistent_workers=True` keeps "
                "them from pass to pass"
            )
        return f"{note}."

    def _repeats(self) -> bool:
        """Whether the sampler gives the same again if all generators are seeded."""
        loader, orders = self._loader, []
        batches = getattr(loader, "batch_sampler", None)
        sampler = loader.sampler if batches is None else batches
        for _ in range(2):
            with self._randomness(0, 0):
                order = itertools.islice(sampler, _PROBED)
                orders.append([str(each) for each in order])
        return orders[0] == orders[1]

    def _pass(self, seed: int, number: int) -> Iterator[Any]:
        """The batches of a pass; generators are put back after each."""
        randomness = self._randomness(seed, number)
        with randomness:
            batches = iter(self._loader)
        while True:
            with randomness:
                batch = next(batches, None)
            if batch is None:
                return
            yield self._standard(batch)

    def _randomness(self, seed: int, number: int) -> Randomness:
        return Randomness(derive(seed, "pass", number), generators_of(self._loader))
