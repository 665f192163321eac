"""What the paper says of LeNet-300-100 on MNIST, and how each claim is measured.

A claim is judged by the 95% t interval of differences between paired replicates: it
holds where the interval lies on its side, does not hold where it lies on the other,
and is not resolved where it holds both. A claim that looks at several rounds at once
has an interval that is wider for each of them (Bonferroni).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from _figures import Figures, NotRunError, Values

from tf_lottery.verdict.spread import CONFIDENCE, Spread

HOLDS, FAILS, OPEN, NOT_RUN = "holds", "does not hold", "not resolved", "not run"
# A drop of less than 0.2 points is what "matching" means in arXiv 1912.05671.
EQUAL = 0.002
_EARLY, _LATE = (0.675, 0.176), (0.95, 0.0517)


@dataclass(frozen=True)
class Finding:
    """What was measured for a claim: its judgement, the figures in words."""

    verdict: str
    ours: str
    spread: Spread | None = None


Measure = Callable[[Figures], Finding]


@dataclass(frozen=True)
class Claim:
    """What the paper says, where, with which figure, and how it is measured here."""

    where: str
    says: str
    paper: str
    measure: Measure

    def check(self, figures: Figures) -> Finding:
        """What is found; "not run" where the searches lack what it is about."""
        try:
            return self.measure(figures)
        except NotRunError as error:
            return Finding(NOT_RUN, str(error))


# Judgements of a difference.


def paired(ours: Values, theirs: Values) -> Spread:
    """The differences of the replicates that have both."""
    both = [r for r in sorted(ours) if r in theirs]
    if not both:
        raise NotRunError("no replicate has both")
    return Spread(tuple(ours[r] - theirs[r] for r in both))


def above(spread: Spread, bound: float = 0.0, of: int = 1) -> str:
    """Whether the mean lies above a bound; `of` so many that are judged at once."""
    low, high = spread.interval_at(1 - (1 - CONFIDENCE) / of) or (bound, bound)
    if low == high:  # one value, or equal ones, say nothing of chance
        return OPEN
    return HOLDS if low > bound else FAILS if high <= bound else OPEN


def below(spread: Spread, bound: float = 0.0, of: int = 1) -> str:
    """Whether the mean lies below a bound."""
    return above(Spread(tuple(-value for value in spread.values)), -bound, of)


def near(spread: Spread, margin: float) -> str:
    """Whether the mean lies within a margin of 0."""
    within = above(spread, -margin), below(spread, margin)
    return together(within)


def together(verdicts: Iterable[str]) -> str:
    """That of several claims in one: all must hold, and one that fails is enough."""
    found = set(verdicts)
    if FAILS in found:
        return FAILS
    return HOLDS if found == {HOLDS} else OPEN


def points(spread: Spread) -> str:
    """A difference of accuracies in points, with its 95% interval."""
    mean, interval = 100 * spread.mean, spread.interval
    if interval is None:
        return f"{mean:+.2f} (1 replicate)"
    return f"{mean:+.2f} ({100 * interval[0]:+.2f} to {100 * interval[1]:+.2f})"


def mean(values: Values) -> float:
    return sum(values.values()) / len(values)


# Measures.


def gain(density: float, other: str = "dense", at_least: float = 0.0) -> Measure:
    """The accuracy of a ticket minus that of another network."""

    def measure(figures: Figures) -> Finding:
        number = figures.at(density)
        spread = paired(figures.accuracy(number), _accuracy(figures, number, other))
        return Finding(above(spread, at_least), f"{points(spread)} points", spread)

    return measure


def equal(density: float) -> Measure:
    """Whether a ticket is as accurate as the dense network."""

    def measure(figures: Figures) -> Finding:
        spread = paired(figures.accuracy(figures.at(density)), figures.accuracy(0))
        return Finding(near(spread, EQUAL), f"{points(spread)} points", spread)

    return measure


def earlier(density: float, other: str = "dense") -> Measure:
    """Whether a ticket reaches minimum validation loss before another network."""

    def measure(figures: Figures) -> Finding:
        number = figures.at(density)
        ours = figures.steps(number)
        theirs = figures.steps(0) if other == "dense" else figures.steps(number, other)
        ratio = mean(theirs) / mean(ours)
        said = (
            f"{abs(1 - 1 / ratio):.0%} {'earlier' if ratio > 1 else 'later'}, "
            f"{ratio:.2f}x (step {mean(ours):,.0f} against {mean(theirs):,.0f})"
        )
        spread = paired(ours, theirs)
        return Finding(below(spread), said, spread)

    return measure


def extreme(metric: str, density: float) -> Measure:
    """Whether a round is the earliest, or the most accurate, of all.

    It holds where it is so by the means and resolved from every other round, and does
    not hold where another round is resolved to be better.
    """

    def measure(figures: Figures) -> Finding:
        number, values = figures.at(density), getattr(figures, metric)
        judge = below if metric == "steps" else above
        others = [n for n in figures.rounds if n != number]
        ours = {n: paired(values(number), values(n)) for n in others}
        verdicts = {n: judge(spread, of=len(others)) for n, spread in ours.items()}
        worse = [judge(_turned(s), of=len(others)) == HOLDS for s in ours.values()]
        means = {n: mean(values(n)) for n in figures.rounds}
        best = (min if metric == "steps" else max)(means, key=lambda n: means[n])
        verdict = FAILS if any(worse) else OPEN
        if set(verdicts.values()) == {HOLDS}:
            verdict = HOLDS
        write = "{:,.0f}".format if metric == "steps" else "{:.2%}".format
        said = f"{figures.density(best):.1%} ({write(means[best])}"
        return Finding(verdict, f"{said}; at {density:.1%} {write(means[number])})")

    return measure


def falls_below_dense(density: float, kind: str) -> Measure:
    """Whether accuracy is below dense from a density on, and not before."""

    def measure(figures: Figures) -> Finding:
        first, dense = figures.at(density), figures.accuracy(0)
        rounds = figures.having(kind)
        spreads = {n: paired(figures.accuracy(n, kind), dense) for n in rounds}
        before = [n for n in rounds if n < first]
        after = [n for n in rounds if n >= first]
        if not after:
            raise NotRunError(f"no {kind} from {density:.1%} on")
        early = [n for n in before if below(spreads[n], of=len(before)) == HOLDS]
        verdict = FAILS if early else together(below(spreads[n]) for n in after)
        told = sorted({*after, *before[-2:], *early})
        said = (f"{figures.density(n):.1%}: {points(spreads[n])}" for n in told)
        return Finding(verdict, "; ".join(said))

    return measure


def one_shot(metric: str, span: tuple[float, float]) -> Measure:
    """One-shot tickets against the dense network, in a span of densities."""

    def measure(figures: Figures) -> Finding:
        values, is_step = getattr(figures, metric), metric == "steps"
        inside = (span[0] >= figures.density(n) >= span[1] for n in figures.rounds)
        rounds = [n for n, is_in in zip(figures.rounds, inside, strict=True) if is_in]
        spreads = {
            n: paired(values(n, "one-shot"), values(0))
            for n in figures.having("one-shot")
            if n in rounds
        }
        if not spreads:
            raise NotRunError("no one-shot search at these densities")
        judge = below if is_step else above
        said = "; ".join(
            f"{figures.density(n):.1%}: "
            + (f"{s.mean:+,.0f} steps" if is_step else points(s))
            for n, s in spreads.items()
        )
        return Finding(together(judge(s) for s in spreads.values()), said)

    return measure


def wins_below(density: float) -> Measure:
    """Whether a ticket so small is more accurate on test data, and no later.

    Not later: the mean step is not above the dense network's, and not resolved to be.
    """

    def measure(figures: Figures) -> Finding:
        rounds = [n for n in figures.rounds if figures.density(n) < density]
        dense = figures.accuracy(0), figures.steps(0)
        gains = {n: paired(figures.accuracy(n), dense[0]) for n in rounds}
        later = {n: paired(figures.steps(n), dense[1]) for n in rounds}
        winning = [
            n
            for n in rounds
            if above(gains[n], of=len(rounds)) == HOLDS and later[n].mean <= 0
        ]
        if winning:
            n = winning[-1]
            said = f"down to {figures.density(n):.1%}: {points(gains[n])} points"
            return Finding(HOLDS, f"{said}, {later[n].mean:+,.0f} steps", gains[n])
        lost = [
            below(gains[n], of=len(rounds)) == HOLDS
            or above(later[n], of=len(rounds)) == HOLDS
            for n in rounds
        ]
        return Finding(FAILS if all(lost) else OPEN, "no round is resolved to win")

    return measure


def _accuracy(figures: Figures, number: int, name: str) -> Values:
    return figures.accuracy(0) if name == "dense" else figures.accuracy(number, name)


def _turned(spread: Spread) -> Spread:
    return Spread(tuple(-value for value in spread.values))


_SECTION = "section 2"
CLAIMS = (
    Claim(
        "abstract",
        "winning tickets at less than 10 to 20 % of the size",
        "< 20 %",
        wins_below(0.2),
    ),
    Claim(_SECTION, "fastest at 21.1 %", "21.1 %", extreme("steps", 0.211)),
    Claim(
        _SECTION,
        "at 21.1 % the minimum validation loss comes earlier than dense",
        "38 % earlier",
        earlier(0.211),
    ),
    Claim(
        _SECTION,
        "most accurate at 13.5 %",
        "13.5 %",
        extreme("accuracy", 0.135),
    ),
    Claim(
        _SECTION,
        "at 13.5 % the test accuracy is more than 0.3 points above dense",
        "> +0.3 points",
        gain(0.135, at_least=0.003),
    ),
    Claim(
        _SECTION,
        "at 3.6 % the accuracy is that of the dense network (within 0.2 points)",
        "equal",
        equal(0.036),
    ),
    Claim(
        _SECTION,
        "reinitialised, accuracy falls below dense from 21.1 % on",
        "from 21.1 %",
        falls_below_dense(0.211, "reinit"),
    ),
    Claim(
        _SECTION,
        "tickets fall below dense only from 2.9 % on",
        "from 2.9 %",
        falls_below_dense(0.029, "ticket"),
    ),
    Claim(
        _SECTION,
        "at 21.1 % the ticket is earlier than its reinitialisation",
        "2.51x",
        earlier(0.211, "reinit"),
    ),
    Claim(
        _SECTION,
        "at 21.1 % the ticket is more accurate than its reinitialisation",
        "+0.5 points",
        gain(0.211, "reinit"),
    ),
    Claim(
        _SECTION,
        "one-shot tickets are earlier than dense from 67.5 to 17.6 %",
        "earlier",
        one_shot("steps", _EARLY),
    ),
    Claim(
        _SECTION,
        "one-shot tickets are more accurate than dense from 95.0 to 5.17 %",
        "higher",
        one_shot("accuracy", _LATE),
    ),
    Claim(
        _SECTION,
        "iterative pruning beats one-shot at small sizes (3.6 %)",
        "higher",
        gain(0.036, "one-shot"),
    ),
    Claim(
        "arXiv 2009.11094",
        "at 21.1 % the ticket is more accurate than with its masks shuffled",
        "(not in the paper)",
        gain(0.211, "shuffle"),
    ),
)
