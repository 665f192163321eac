"""The cells of the tables, on a terminal and on the page alike."""

from dataclasses import dataclass

from tf_lottery.verdict import formats
from tf_lottery.verdict.difference import STEP, Difference
from tf_lottery.verdict.spread import Spread


@dataclass(frozen=True)
class Cell:
    """The content of one cell.

    Attributes:
        text: The first line.
        below: The second line.
        notes: Further lines, which only the page shows.
        look: How the page shows it: "up", "down", "strong", or "" as it is.
    """

    text: str
    below: str = ""
    notes: tuple[str, ...] = ()
    look: str = ""


def spread(found: Spread | None, metric: str) -> Cell:
    """The mean of a score, and below it the minimum and the maximum."""
    if found is None:
        return Cell("-")
    return Cell(formats.score(found.mean), formats.extremes(found, metric))


def steps(found: Spread | None) -> Cell:
    """The mean of the best steps; the page also shows minimum and maximum."""
    if found is None:
        return Cell("-")
    extremes = formats.extremes(found, STEP)
    return Cell(formats.step(found.mean), notes=(extremes,) if extremes else ())


def gain(difference: Difference | None) -> Cell:
    """By how much the ticket is better, and below it the interval of that."""
    if difference is None:
        return Cell("-")
    count = f"better in {difference.better_in} of {len(difference)}"
    return Cell(
        formats.signed(difference, difference.gain.mean),
        formats.interval(difference),
        (count,) if len(difference) > 1 else (),
        {1: "up", 0: "", -1: "down"}[difference.resolved],
    )


def yes(claim: bool) -> str:
    """A claim in a word."""
    return "yes" if claim else "no"
