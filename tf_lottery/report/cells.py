"""What stands in the tables of the page: numbers with their spread, in words."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lottery.report import formats
from tf_lottery.verdict.difference import STEP, Difference
from tf_lottery.verdict.judge import RoundVerdict
from tf_lottery.verdict.spread import Spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def embedded(figure: "Figure") -> str:
    """The figure as the address of an image."""
    import matplotlib

    # Equal figures are equal files: no random names in them, and no date.
    with matplotlib.rc_context({"svg.hashsalt": "tf_lottery"}):
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    text = base64.b64encode(file.getvalue()).decode()
    return f"data:image/svg+xml;base64,{text}"


def spread(found: Spread | None, of: str) -> tuple[str, str]:
    """The mean, and from where to where."""
    if found is None:
        return "-", ""
    write = formats.step if of == STEP else formats.score
    return write(found.mean), formats.extremes(found, of)


def gain(difference: Difference | None) -> dict[str, Any]:
    """A difference with its interval, and whether it is resolved."""
    if difference is None:
        return {"value": ""}
    value, interval = formats.gain(difference)
    return {
        "value": value,
        "interval": interval,
        "resolved": difference.resolved,
        "several": len(difference) > 1,
        "better": f"{difference.better_in} of {len(difference)}",
    }


def unit(difference: Difference) -> str:
    """The unit of a difference, for a column's head."""
    found = formats.gain_unit(difference)
    return f",{found}" if found else ""


def wins_in(round: RoundVerdict) -> str:
    """In how many replicates a round wins, if there are several."""
    return f"in {round.wins_in} of {round.replicates}" if round.of > 1 else ""


def yes(claim: bool) -> str:
    """A claim in a word."""
    return "yes" if claim else "no"


def plain(value: Any) -> str:
    """A value of a file in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {plain(each)}" for key, each in value.items()) or "-"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(plain, value)) or "-"
    return "-" if value is None else str(value)


def as_typed(recipe: str | None) -> str | None:
    """The path of a recipe as one types it here."""
    if recipe and Path(recipe).is_relative_to(Path.cwd()):
        return str(Path(recipe).relative_to(Path.cwd()))
    return recipe
