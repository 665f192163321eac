"""The verdict in words that claim no more than the numbers carry.

Without an interval nothing is "better": a difference is told as such. An interval
that holds zero is "not resolved". What a lost control means is said for the
controls whose change is known.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.verdict.difference import STEP, Difference
from tf_lottery.verdict.spread import CONFIDENCE, Spread

if TYPE_CHECKING:
    from tf_lottery.verdict.judge import RoundVerdict

# What a ticket and its control do not share.
_CHANGED = {
    "reinit": "its initial weights are",
    "reinit_same_sign": "the sizes of its initial weights are",
    "shuffle": "the positions of its weights are",
    "random_mask": "which weights it keeps is",
}


def judgement(round: "RoundVerdict", max_density: float) -> str:
    """Whether the tickets of a round win, by validation, and what they lack."""
    compared, over = _compared(round), _over(round)
    if not round.matches:
        start = "No ticket matches the dense network; the best has"
        return f"{start} {compared}{over}."
    if round.wins:
        told = f"A winning ticket: {compared}, {_steps(round)}{over}."
    else:
        lacks = _lacks(round, max_density)
        told = f"The ticket matches but does not win: {compared}, but {lacks}{over}."
    return told + _caveat(round)


def has_claims(round: "RoundVerdict") -> bool:
    """Whether there is more to say than the judgement of one training."""
    return round.of > 1 or any(d.against != "dense" for d in round.differences)


def claims(round: "RoundVerdict") -> str:
    """What the figures carry against the dense network and each control."""
    figures = [each for each in round.differences if each.metric != STEP]
    if not figures:
        return ""
    told = (_claim(each, round) for each in figures)
    sentences = [f"{_source(figures[0].metric)}: {'; '.join(told)}."]
    if round.contradicted:
        sentences.append(
            "The test figures contradict the choice: "
            "on test data the ticket does not match the dense network."
        )
    return " ".join([*sentences, *filter(None, map(_meaning, figures))])


def elsewhere(round: "RoundVerdict") -> str:
    """What the controls of a round say, where the chosen one has none."""
    figures = {d.against: d for d in round.differences if d.metric != STEP}
    controls = [name for name in figures if name != "dense"]
    told = (_claim(figures[name], round) for name in controls)
    return (
        f"It has no controls; the nearest ticket that has, of round {round.number} "
        f"with {round.density:.1%} of the weights: {'; '.join(told)}."
        if controls
        else ""
    )


def _caveat(round: "RoundVerdict") -> str:
    """Why it is not known which is earlier."""
    if not round.rewound or not round.too_short:
        return ""
    if round.passes == 1:
        return (
            " Each training was validated once: with a smaller `evaluate_every` one "
            "sees which is earlier."
        )
    return (
        " Validation loss was least at the last step of both: train longer to see "
        "which is earlier."
    )


def _lacks(round: "RoundVerdict", max_density: float) -> str:
    if not round.rewound:
        return "it was not rewound: its training began with trained weights"
    if round.density > max_density:
        return f"it keeps more than {max_density:.0%} of the weights"
    return f"its {_steps(round)}"


def _compared(round: "RoundVerdict") -> str:
    ours, dense = round.validation.ours.mean, round.validation.theirs.mean
    score = f"{round.validation.metric} {ours:.4f} (dense {dense:.4f})"
    return f"{round.density:.1%} of the weights, {score}"


def _steps(round: "RoundVerdict") -> str:
    ours, dense = (_step(s.mean) for s in (round.steps.ours, round.steps.theirs))
    return f"minimum validation loss is at step {ours} (dense {dense})"


def _step(mean: float) -> str:
    return f"{mean:,.0f}" if mean == round(mean) else f"{mean:,.1f}"


def _over(round: "RoundVerdict") -> str:
    if round.of == 1:
        return ""
    if round.replicates == 1:
        return f"; 1 of {round.of} replicates has this round"
    means = f"{round.of} replicates"
    if round.replicates < round.of:
        means = f"the {round.replicates} of {means} that have this round"
    wins = f", of which {round.wins_in} win by themselves" if round.matches else ""
    return f"; means of {means}{wins}"


def _source(metric: str) -> str:
    if metric.startswith("test_"):
        return f"Test figures ({metric})"
    return f"Without test data, by the figures that chose the ticket ({metric})"


def _claim(figure: Difference, round: "RoundVerdict") -> str:
    against, of, earlier = figure.against, round.of, _earlier(figure.against, round)
    interval = figure.spread.interval
    signed = _signed(figure, figure.spread.mean)
    if not interval:
        replicates = "1 replicate" if of == 1 else f"1 of {of} replicates"
        return f"{signed} against {against}{earlier} ({replicates}: no interval)"
    if interval[0] == interval[1]:
        return f"{_equal(figure, of)}{earlier}"
    better = _of(figure.better_in, len(figure), of)
    if figure.resolved > 0:
        amount = _by(figure, figure.gain)
        return f"beats {against} by {amount}, in {better}{earlier}"
    if figure.resolved < 0:
        amount = _by(figure, Spread(tuple(-gain for gain in figure.gain.values)))
        return f"loses to {against} by {amount}, better in {better}{earlier}"
    between = _interval(figure, interval)
    return (
        f"not resolved from {against}: {signed} {between}, better in {better}{earlier}"
    )


def _equal(figure: Difference, of: int) -> str:
    replicates = _of(len(figure), len(figure), of)
    if not figure.spread.mean:
        return f"equal to {figure.against} in {replicates}"
    signed = _signed(figure, figure.spread.mean)
    return f"{signed} against {figure.against}, alike in {replicates}: no interval"


def _of(count: int, known: int, of: int) -> str:
    text = f"{count} of {known} replicates"
    return text if known == of else f"{text} ({of} in all)"


def _earlier(against: str, round: "RoundVerdict") -> str:
    """How much earlier minimum validation loss is, where that is known."""
    steps = next(
        d for d in round.differences if (d.against, d.metric) == (against, STEP)
    )
    resolved = len(steps) == 1 or steps.resolved
    if not round.rewound or not steps.ratio or not resolved:
        return ""
    word = "earlier" if steps.ratio > 1 else "later"
    times = f"{max(steps.ratio, 1 / steps.ratio):.3g}"
    return "" if times == "1" else f", minimum validation loss {times}x {word}"


def _meaning(figure: Difference) -> str:
    if figure.resolved >= 0 or figure.against not in _CHANGED:
        return ""
    changed = _CHANGED[figure.against]
    return f"Worse than {figure.against}: {changed} not what makes it good."


def _signed(figure: Difference, mean: float) -> str:
    sign = "+" if mean >= 0 else "-"
    return f"{sign}{_amount(figure, abs(mean))}"


def _by(figure: Difference, spread: Spread) -> str:
    assert spread.interval
    return f"{_amount(figure, spread.mean)} {_interval(figure, spread.interval)}"


def _amount(figure: Difference, value: float) -> str:
    text = _number(figure)(value)
    return f"{text} points" if figure.is_in_points else text


def _interval(figure: Difference, interval: tuple[float, float]) -> str:
    low, high = map(_number(figure), interval)
    return f"({CONFIDENCE:.0%} interval {low} to {high})"


def _number(figure: Difference) -> Callable[[float], str]:
    if not figure.is_in_points:
        return lambda value: f"{value:.3g}"

    def points(value: float) -> str:
        text = f"{100 * value:.2f}"
        if float(text) or not value:
            return text
        # What is not zero is not shown as zero.
        return np.format_float_positional(100 * value, 1, fractional=False, trim="-")

    return points
