"""The figures of a search and of its one-shot searches, by replicate."""

from collections.abc import Callable, Iterable, Sequence

from tf_lottery.core.history import History, Round
from tf_lottery.verdict.monitor import test_name

Values = dict[int, float]  # by replicate

# How far, relatively, a density may be from the one that a claim is about.
_NEAR = 0.05


class NotRunError(Exception):
    """The searches lack what a claim is about."""


class Figures:
    """Values by replicate, of the rounds of a search and of its one-shot searches."""

    def __init__(self, history: History, one_shot: Sequence[History] = ()) -> None:
        self.history = history
        self._one_shot = one_shot
        self._test = test_name(history.monitor)

    @property
    def rounds(self) -> range:
        """The numbers of the pruned rounds."""
        return range(1, len(self.history))

    def density(self, number: int) -> float:
        return self.history[number].ticket.density

    def at(self, density: float) -> int:
        """The round of a density."""
        nearest = min(self.rounds, key=lambda n: abs(self.density(n) - density))
        if abs(self.density(nearest) - density) > _NEAR * density:
            raise NotRunError(f"no round at {density:.1%}")
        return nearest

    def having(self, kind: str) -> list[int]:
        """The rounds that were trained so, from the densest on."""
        if kind == "ticket":
            return list(self.rounds)
        if kind == "one-shot":
            densities = (each[1].ticket.density for each in self._one_shot)
            return sorted(map(self.at, densities))
        return sorted({r.number for r in self.history.controls if r.control == kind})

    def steps(self, number: int, kind: str = "ticket") -> Values:
        """The step of minimum validation loss."""
        return self._means(number, kind, lambda round: float(round.outcome.best_step))

    def accuracy(self, number: int, kind: str = "ticket") -> Values:
        """The test accuracy at minimum validation loss."""
        return self._means(number, kind, lambda round: round.score(self._test))

    def _means(self, number: int, kind: str, value: Callable[[Round], float]) -> Values:
        found: dict[int, list[float]] = {}
        for round in self._trained(number, kind):
            found.setdefault(round.replicate, []).append(value(round))
        if not found:
            raise NotRunError(f"no {kind} at {self.density(number):.1%}")
        return {replicate: sum(v) / len(v) for replicate, v in found.items()}

    def _trained(self, number: int, kind: str) -> Iterable[Round]:
        if kind == "ticket":
            return (each[number] for each in self.history.replicates)
        if kind == "one-shot":
            searches = (
                s for s in self._one_shot if self.at(s[1].ticket.density) == number
            )
            return (rounds[1] for search in searches for rounds in search.replicates)
        return (
            round
            for round in self.history.controls
            if (round.number, round.control) == (number, kind)
        )
