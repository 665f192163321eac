"""What the paper says of LeNet-300-100 on MNIST, and how each claim is measured.

A claim is judged by the 95% t interval of a difference between paired replicates: it
holds where the interval lies on its side, does not hold where it lies on the other,
and is not resolved where it holds both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tf_lottery.core.monitor import test_name
from tf_lottery.core.records import History, Round
from tf_lottery.core.spread import Spread

HOLDS, FAILS, OPEN = "holds", "does not hold", "not resolved"
# By how much a network may differ from the dense one and still be called equal: a drop
# of 0.2 point is what "matching" means in arXiv 1912.05671.
EQUAL = 0.002
_EARLY, _LATE = (0.675, 0.176), (0.95, 0.0517)


@dataclass(frozen=True)
class Finding:
    """What was measured for a claim."""

    verdict: str
    ours: str
    spread: Spread | None = None


@dataclass(frozen=True)
class Claim:
    """What the paper says, where, with which figure, and how it is measured here."""

    where: str
    says: str
    paper: str
    measure: Callable[["Figures"], Finding]


class Figures:
    """Values by replicate, of the rounds of a search and of its one-shot searches."""

    def __init__(self, history: History, one_shot: Sequence[History]) -> None:
        self.history = history
        self._one_shot = one_shot
        self._test = test_name(history.monitor)

    def at(self, density: float) -> int:
        """The round whose density is nearest."""
        return min(
            range(len(self.history)),
            key=lambda n: abs(self.history[n].ticket.density - density),
        )

    def densities(self, control: str) -> list[int]:
        """The rounds that have a control, from the densest on."""
        return sorted({r.number for r in self.history.controls if r.control == control})

    def one_shot_rounds(self) -> list[int]:
        """The rounds whose density one-shot searches reach too."""
        return sorted(self.at(each[1].ticket.density) for each in self._one_shot)

    def steps(self, number: int, kind: str = "ticket") -> dict[int, float]:
        """The step of minimum validation loss, by replicate."""
        return self._means(number, kind, lambda round: float(round.outcome.best_step))

    def accuracy(self, number: int, kind: str = "ticket") -> dict[int, float]:
        """The test accuracy at minimum validation loss, by replicate."""
        return self._means(number, kind, lambda round: round.score(self._test))

    def _means(
        self, number: int, kind: str, value: Callable[[Round], float]
    ) -> dict[int, float]:
        found: dict[int, list[float]] = {}
        for round in self._rounds(number, kind):
            found.setdefault(round.replicate, []).append(value(round))
        return {replicate: sum(v) / len(v) for replicate, v in found.items()}

    def _rounds(self, number: int, kind: str) -> list[Round]:
        if kind == "ticket":
            return [each[number] for each in self.history.replicates]
        if kind == "one-shot":
            return [
                rounds[1]
                for search in self._one_shot
                if self.at(search[1].ticket.density) == number
                for rounds in search.replicates
            ]
        return [
            round
            for round in self.history.controls
            if (round.number, round.control) == (number, kind)
        ]


def paired(ours: dict[int, float], theirs: dict[int, float]) -> Spread:
    """The differences of the replicates that have both."""
    return Spread(tuple(ours[r] - theirs[r] for r in sorted(ours) if r in theirs))


def above(spread: Spread, bound: float = 0.0) -> str:
    """Whether the mean lies above a bound, by its interval."""
    low, high = spread.interval or (float("-inf"), float("inf"))
    if low == high:  # equal values say nothing of chance
        return OPEN
    return HOLDS if low > bound else FAILS if high <= bound else OPEN


def below(spread: Spread, bound: float = 0.0) -> str:
    """Whether the mean lies below a bound."""
    return above(Spread(tuple(-value for value in spread.values)), -bound)


def near(spread: Spread, margin: float) -> str:
    """Whether the mean lies within a margin of 0."""
    low, high = spread.interval or (float("-inf"), float("inf"))
    if low >= margin or high <= -margin:
        return FAILS
    return HOLDS if -margin < low and high < margin else OPEN


def together(verdicts: Sequence[str]) -> str:
    """That of several claims in one: all must hold, and one that fails is enough."""
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else OPEN


def points(spread: Spread) -> str:
    """A difference of accuracies in points, with its interval."""
    mean, interval = 100 * spread.mean, spread.interval
    if interval is None:
        return f"{mean:+.2f} (1 replicate)"
    return f"{mean:+.2f} ({100 * interval[0]:+.2f} to {100 * interval[1]:+.2f})"


def gain(density: float, other: str = "dense", at_least: float = 0.0) -> Callable:
    def measure(figures: Figures) -> Finding:
        number = figures.at(density)
        spread = paired(figures.accuracy(number), _other(figures, number, other)[1])
        return Finding(above(spread, at_least), f"{points(spread)} point", spread)

    return measure


def earlier(density: float, other: str = "dense") -> Callable:
    def measure(figures: Figures) -> Finding:
        number = figures.at(density)
        ours, theirs = figures.steps(number), _other(figures, number, other)[0]
        spread = paired(ours, theirs)
        means = [sum(v.values()) / len(v) for v in (ours, theirs)]
        verdict = below(spread)
        ratio = means[1] / means[0]
        share = (
            f"{abs(1 - means[0] / means[1]):.0%} {'earlier' if ratio > 1 else 'later'}"
        )
        said = f"{share}, {ratio:.2f}x (step {means[0]:,.0f} against {means[1]:,.0f})"
        return Finding(verdict, said, spread)

    return measure


def back_to_dense(density: float) -> Callable:
    def measure(figures: Figures) -> Finding:
        number = figures.at(density)
        spread = paired(figures.accuracy(number), figures.accuracy(0))
        return Finding(near(spread, EQUAL), f"{points(spread)} point", spread)

    return measure


def fastest(density: float) -> Callable:
    def measure(figures: Figures) -> Finding:
        history = figures.history
        means = [
            Spread(tuple(figures.steps(n).values())).mean for n in range(len(history))
        ]
        best, number = means.index(min(means)), figures.at(density)
        spread = paired(figures.steps(number), figures.steps(best))
        said = (
            f"fastest at {history[best].ticket.density:.1%} (step {means[best]:,.0f})"
        )
        if best == number:
            return Finding(HOLDS, said, spread)
        verdict = FAILS if above(spread) == HOLDS else OPEN
        return Finding(verdict, f"{said}; here {means[number]:,.0f}", spread)

    return measure


def below_dense_from(density: float, kind: str) -> Callable:
    """Not below dense before a density, and below it from there on."""

    def measure(figures: Figures) -> Finding:
        first = figures.at(density)
        rounds = (
            range(1, len(figures.history))
            if kind == "ticket"
            else figures.densities(kind)
        )
        spreads = {
            n: paired(figures.accuracy(n, kind), figures.accuracy(0)) for n in rounds
        }
        before = [n for n in spreads if n < first and below(spreads[n]) == HOLDS]
        after = [below(spreads[n]) for n in spreads if n >= first]
        verdict = FAILS if before else together(after)
        told = {n for n in spreads if n >= first} | {*list(spreads)[-3:], *before}
        said = "; ".join(
            f"{figures.history[n].ticket.density:.1%}: {points(spreads[n])}"
            for n in sorted(told)
        )
        return Finding(verdict, said, spreads.get(first))

    return measure


def one_shot(metric: str, span: tuple[float, float]) -> Callable:
    """One-shot tickets against the dense network, in a span of densities."""

    def measure(figures: Figures) -> Finding:
        values = getattr(figures, metric)
        rounds = [
            n
            for n in figures.one_shot_rounds()
            if span[0] >= figures.history[n].ticket.density >= span[1]
        ]
        spreads = {n: paired(values(n, "one-shot"), values(0)) for n in rounds}
        judge = below if metric == "steps" else above
        said = "; ".join(
            f"{figures.history[n].ticket.density:.1%}: "
            + (f"{s.mean:+,.0f} steps" if metric == "steps" else points(s))
            for n, s in spreads.items()
        )
        verdict = together([judge(s) for s in spreads.values()]) if spreads else OPEN
        return Finding(verdict, said or "no search at these densities")

    return measure


def iterative_beats_one_shot(density: float) -> Callable:
    def measure(figures: Figures) -> Finding:
        number = figures.at(density)
        theirs = figures.accuracy(number, "one-shot")
        if not theirs:
            return Finding(OPEN, "no one-shot search at this density")
        spread = paired(figures.accuracy(number), theirs)
        return Finding(above(spread), f"{points(spread)} point", spread)

    return measure


def wins_below(density: float) -> Callable:
    def measure(figures: Figures) -> Finding:
        rounds = [
            round
            for round in figures.history.verdict().rounds
            if round.wins and not round.contradicted and round.density < density
        ]
        if not rounds:
            return Finding(FAILS, "no winning ticket so small")
        last = rounds[-1]
        said = (
            f"{last.density:.1%}, by itself in {last.wins_in} of {last.of} replicates"
        )
        most = last.wins_in > last.of / 2
        return Finding(HOLDS if most else OPEN, said)

    return measure


def _other(figures: Figures, number: int, name: str) -> tuple[dict, dict]:
    if name == "dense":
        return figures.steps(0), figures.accuracy(0)
    return figures.steps(number, name), figures.accuracy(number, name)


CLAIMS = (
    Claim(
        "abstract",
        "winning tickets at less than 10 to 20 % of the size",
        "< 20 %",
        wins_below(0.2),
    ),
    Claim("section 2", "fastest at 21.1 %", "21.1 %", fastest(0.211)),
    Claim(
        "section 2",
        "at 21.1 % the minimum validation loss comes earlier than dense",
        "38 % earlier",
        earlier(0.211),
    ),
    Claim(
        "section 2",
        "at 13.5 % the test accuracy is more than 0.3 point above dense",
        "> +0.3 point",
        gain(0.135, at_least=0.003),
    ),
    Claim(
        "section 2",
        "at 3.6 % the accuracy is that of the dense network (within 0.2 point)",
        "equal",
        back_to_dense(0.036),
    ),
    Claim(
        "section 2",
        "reinitialised, accuracy falls below dense from 21.1 % on",
        "from 21.1 %",
        below_dense_from(0.211, "reinit"),
    ),
    Claim(
        "section 2",
        "tickets fall below dense only from 2.9 % on",
        "from 2.9 %",
        below_dense_from(0.029, "ticket"),
    ),
    Claim(
        "section 2",
        "at 21.1 % the ticket is earlier than its reinitialisation",
        "2.51x",
        earlier(0.211, "reinit"),
    ),
    Claim(
        "section 2",
        "at 21.1 % the ticket is more accurate than its reinitialisation",
        "+0.5 point",
        gain(0.211, "reinit"),
    ),
    Claim(
        "section 2",
        "one-shot tickets are earlier than dense from 67.5 to 17.6 %",
        "earlier",
        one_shot("steps", _EARLY),
    ),
    Claim(
        "section 2",
        "one-shot tickets are more accurate than dense from 95.0 to 5.17 %",
        "higher",
        one_shot("accuracy", _LATE),
    ),
    Claim(
        "section 2",
        "iterative pruning beats one-shot at small sizes (3.6 %)",
        "higher",
        iterative_beats_one_shot(0.036),
    ),
    Claim(
        "arXiv 2009.11094",
        "at 21.1 % the ticket is more accurate than with its masks shuffled",
        "(not in the paper)",
        gain(0.211, "shuffle"),
    ),
)
