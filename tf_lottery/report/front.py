"""The figure of a sweep: the scores of all trials by density, and the Pareto front."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tf_lottery.report.canvas import ACCENT, GREY, density_axis, new_figure, tidy
from tf_lottery.verdict.judge import RoundVerdict, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TRIAL: dict[str, Any] = {"color": "#7fb2d6", "linewidth": 1, "markersize": 2.5}
_FRONT: dict[str, Any] = {"color": ACCENT, "linewidth": 1.4, "markersize": 5}
_WINS: dict[str, Any] = {"mfc": "none", "mec": "#D55E00", "mew": 1.4, "markersize": 10}


def draw_front(trials: Sequence[Verdict], front: Sequence[RoundVerdict]) -> "Figure":
    """The figure of the verdicts on trials, and of the rounds on the Pareto front."""
    figure = new_figure(7.2, 4.6)
    axes = figure.subplots()
    for number, trial in enumerate(trials):
        label = None if number else "trials"
        axes.plot(*_places(trial.rounds), "o-", label=label, **_TRIAL)
    axes.plot(*_places(front), "o-", label="Pareto front", **_FRONT)
    if wins := [round for round in front if round.wins]:
        axes.plot(*_places(wins), "o", label="wins", **_WINS)
    dense = [trial.rounds[0] for trial in trials]
    best = (max if dense[0].validation.maximize else min)(d.score.mean for d in dense)
    axes.axhline(best, color=GREY, linestyle=":", linewidth=1.3, label="best dense")
    axes.set_ylabel(dense[0].validation.metric)
    tidy([axes])
    density_axis(axes, [100 * r.density for trial in trials for r in trial.rounds])
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def _places(rounds: Sequence[RoundVerdict]) -> tuple[list[float], list[float]]:
    """The densities in percent, and the mean scores."""
    return [100 * round.density for round in rounds], [r.score.mean for r in rounds]
