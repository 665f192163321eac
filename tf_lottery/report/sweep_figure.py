"""The figure of a sweep: a line for each trial, and the Pareto front behind them.

The first trials have a colour and a marker of their own, which the legend names. There
are no more than `NAMED` that readers can distinguish: other trials are grey.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tf_lottery.report.canvas import ACCENT, GREY, density_axis, new_figure, tidy
from tf_lottery.verdict.judge import RoundVerdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours of Okabe and Ito, and of Tol, as in `canvas`; neighbours differ most.
_LOOKS = (
    *(("#0072B2", "o"), ("#D55E00", "s"), ("#44AA99", "^"), ("#882255", "D")),
    *(("#E69F00", "v"), ("#88CCEE", "P"), ("#117733", "X"), ("#AA4499", "<")),
    *(("#CC6677", ">"), ("#332288", "p"), ("#999933", "h"), ("#DDCC77", "8")),
)
NAMED = len(_LOOKS)
_LINE: dict[str, Any] = {"linewidth": 1.3, "markersize": 4.5, "markeredgewidth": 0}
_OTHER: dict[str, Any] = {"color": "#c4c4c4", "linewidth": 0.8, "zorder": 1}
_FRONT: dict[str, Any] = {"color": ACCENT, "linewidth": 7, "alpha": 0.15, "zorder": 1.5}
_WINS: dict[str, Any] = {"mfc": "none", "mec": ACCENT, "mew": 1.4, "markersize": 10}
_DENSE: dict[str, Any] = {"color": GREY, "linestyle": ":", "linewidth": 1.3}
_LONGEST = 54  # characters of a name, of which two fit beside each other


def draw(
    trials: Mapping[str, Sequence[RoundVerdict]], front: Sequence[RoundVerdict]
) -> "Figure":
    """The monitored score by density.

    Args:
        trials: The rounds of each trial by its name in the legend; first those that
            shall have a colour.
        front: The rounds of the Pareto front.
    """
    rows = -(-min(len(trials), NAMED) // 2)
    figure = new_figure(7.2, 4.6 + 0.19 * rows)
    axes = figure.subplots()
    everything = []
    if wins := [round for round in front if round.wins]:
        everything += axes.plot(*_places(wins), "o", label="wins", zorder=3, **_WINS)
    everything += axes.plot(*_places(front), label="Pareto front", **_FRONT)
    others = list(trials.values())[NAMED:]
    rest = f"{len(others)} more trial{'s' * (len(others) > 1)}"
    grey = [axes.plot(*_places(r), label=rest, **_OTHER)[0] for r in others]
    everything += grey[:1]
    named = []
    for (name, rounds), (color, marker) in zip(trials.items(), _LOOKS, strict=False):
        look = {"color": color, "marker": marker, "label": _short(name), **_LINE}
        named += axes.plot(*_places(rounds), **look)
    dense = [rounds[0] for rounds in trials.values()]
    best = (max if dense[0].validation.maximize else min)(r.score.mean for r in dense)
    everything.append(axes.axhline(best, label="best dense", **_DENSE))
    axes.set_ylabel(dense[0].validation.metric)
    tidy([axes])
    density_axis(axes, [100 * r.density for rounds in trials.values() for r in rounds])
    plain: dict[str, Any] = {"frameon": False}
    above: dict[str, Any] = {"loc": "outside upper center", "ncols": 4, "fontsize": 9}
    below: dict[str, Any] = {"loc": "outside lower center", "ncols": 2, "fontsize": 8}
    figure.legend(handles=everything, **above, **plain)
    figure.legend(handles=named, **below, **plain)
    return figure


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."


def _places(rounds: Sequence[RoundVerdict]) -> tuple[list[float], list[float]]:
    """The densities in percent, and the mean scores."""
    return [100 * round.density for round in rounds], [r.score.mean for r in rounds]
