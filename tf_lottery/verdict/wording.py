"""The verdict in sentences that claim no more than the numbers support.

Without an interval nothing is "better": there is only a difference. A difference
whose interval contains zero is "not resolved". Where a control is better than the
ticket, a sentence says what that means, if it is known what the control changed.
"""

from typing import TYPE_CHECKING

from tf_lottery.core import parameters
from tf_lottery.verdict import formats
from tf_lottery.verdict.difference import STEP, Difference
from tf_lottery.verdict.spread import CONFIDENCE, Spread

if TYPE_CHECKING:
    from tf_lottery.verdict.judge import RoundVerdict

# What the control changes about the ticket.
_CHANGED = {
    "reinit": "its initial weights are",
    "reinit_same_sign": "the sizes of its initial weights are",
    "shuffle": "the positions of its weights are",
    "random_mask": "which weights it keeps is",
}


def judgement(round: "RoundVerdict", max_density: float, tolerance: float) -> str:
    """Whether the tickets of a round win, by validation, and if not, why not."""
    compared, over = _compared(round), _over(round)
    if not round.matches:
        start = "No ticket matches the dense network; the best has"
        loss = f"a loss above {tolerance:g}" if tolerance else "a loss"
        hint = f"Train longer, or allow {loss} with `tolerance`"
        return f"{start} {compared}{over}. {hint}."
    if round.validation.gain.mean < 0 and tolerance:
        compared += f", within the tolerance of {tolerance:g}"
    below = _below_on_test(round)
    chose = " by validation" if below else ""
    if round.wins:
        text = f"A winning ticket{chose}: {compared}, {_steps(round)}{over}"
    else:
        start = f"The ticket matches{chose} but does not win"
        text = f"{start}: {compared}, but {_lacks(round, max_density)}{over}"
    return f"{text}{below}.{_caveat(round)}"


def has_claims(round: "RoundVerdict") -> bool:
    """Whether there is more to say than the judgement of one training."""
    return round.of > 1 or any(d.against != "dense" for d in round.differences)


def claims(round: "RoundVerdict") -> str:
    """What the figures say against the dense network and each control."""
    figures = [each for each in round.differences if each.metric != STEP]
    if not figures:
        return ""
    said = "; ".join(_claim(each, round) for each in figures)
    sentences = [f"{_source(figures[0].metric)}: {said}."]
    if round.contradicted:
        sentences.append(
            "The test figures contradict the choice: "
            "on test data the ticket does not match the dense network."
        )
    return " ".join([*sentences, *filter(None, map(_meaning, figures))])


def elsewhere(round: "RoundVerdict") -> str:
    """What the controls of this round say, where the chosen round has none."""
    said = "; ".join(
        _claim(each, round)
        for each in round.differences
        if each.metric != STEP and each.against != "dense"
    )
    if not said:
        return ""
    return (
        "This ticket has no controls; the nearest ticket with controls, of round "
        f"{round.number} with {formats.density(round.density)} of the weights: "
        f"{said}."
    )


def kept(round: "RoundVerdict") -> str:
    """What the tickets of a round keep, also of the whole model if that differs."""
    part, whole = formats.density(round.density), formats.density(round.model_density)
    if not parameters.differ(round.density, round.model_density):
        return f"{part} of the weights"
    return f"{part} of the prunable weights ({whole} of all parameters)"


def _caveat(round: "RoundVerdict") -> str:
    """Why it is not known which minimum of validation loss is earlier."""
    if not round.rewound or not round.too_short:
        return ""
    if round.passes == 1:
        return (
            " Each training was validated only once: use a smaller `evaluate_every` "
            "to see which minimum is earlier."
        )
    return (
        " Validation loss was lowest at the last step of both: train longer to see "
        "which minimum is earlier."
    )


def _below_on_test(round: "RoundVerdict") -> str:
    """By how much the test figure is worse than the dense network's; empty if not."""
    for figure in round.differences:
        is_test = figure.against == "dense" and figure.metric.startswith("test_")
        if not is_test or figure.gain.mean >= 0:
            continue
        amount = formats.amount(figure, -figure.gain.mean)
        if amount != formats.amount(figure, 0.0):
            amount += formats.points(figure)
            where = "below" if figure.maximize else "above"
            chance = len(figure) > 1 and not figure.resolved
            resolved = ", which is not resolved" if chance else ""
            return f"; on test it is {amount} {where} dense{resolved}"
    return ""


def _lacks(round: "RoundVerdict", max_density: float) -> str:
    if not round.rewound:
        return "it was not rewound: its training began with trained weights"
    if round.density > max_density:
        return f"it keeps more than {max_density:.0%} of the weights"
    return f"its {_steps(round)}"


def _compared(round: "RoundVerdict") -> str:
    scores = round.validation.ours, round.validation.theirs
    ours, dense = (formats.score(each.mean) for each in scores)
    score = f"{round.validation.metric} {ours} (dense {dense})"
    return f"{kept(round)}, {score}"


def _steps(round: "RoundVerdict") -> str:
    steps = round.steps.ours, round.steps.theirs
    ours, dense = (formats.step(each.mean) for each in steps)
    return f"minimum validation loss is at step {ours} (dense {dense})"


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
    return f"Without test data, these figures also chose the ticket ({metric})"


def _claim(figure: Difference, round: "RoundVerdict") -> str:
    against, of, earlier = figure.against, round.of, _earlier(figure.against, round)
    interval = figure.spread.interval
    if not interval:
        replicates = "1 replicate" if of == 1 else f"1 of {of} replicates"
        between = f"({replicates}: no interval)"
        return f"{formats.change(figure)} against {against}{earlier} {between}"
    if interval[0] == interval[1]:
        return f"{_equal(figure, of)}{earlier}"
    better = _of(figure.better_in, len(figure), of)
    if figure.resolved > 0:
        amount = _by(figure, figure.gain)
        return f"beats {against} by {amount}, in {better}{earlier}"
    if figure.resolved < 0:
        amount = _by(figure, Spread(tuple(-gain for gain in figure.gain.values)))
        return f"loses to {against} by {amount}, better in {better}{earlier}"
    amount = f"{formats.change(figure)} {_interval(figure, figure.spread)}"
    start = f"the difference from {against} is not resolved"
    return f"{start}: {amount}, better in {better}{earlier}"


def _equal(figure: Difference, of: int) -> str:
    replicates = _of(len(figure), len(figure), of)
    if not figure.spread.mean:
        return f"equal to {figure.against} in {replicates}"
    signed = f"{formats.change(figure)} against {figure.against}"
    return f"{signed}, the same in {replicates}: no interval"


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
    worse = f"The ticket is worse than {figure.against}"
    return f"{worse}: {changed} not what makes it good."


def _by(figure: Difference, spread: Spread) -> str:
    amount = formats.amount(figure, spread.mean)
    return f"{amount}{formats.points(figure)} {_interval(figure, spread)}"


def _interval(figure: Difference, spread: Spread) -> str:
    low, high = (formats.amount(figure, each) for each in spread.interval or ())
    return f"({CONFIDENCE:.0%} interval {low} to {high})"
