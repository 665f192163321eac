"""The paper's figure: accuracy and best step against density, on a log axis."""

from typing import TYPE_CHECKING, Any

from tf_lottery.core.io import PathLike, atomic
from tf_lottery.core.records import History
from tf_lottery.report.table import test_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _SOFT, _ACCENT = "#1f4e79", "#8fb3d1", "#c8102e"


def plot(history: History, path: PathLike) -> None:
    """Writes a PNG: the score and the step of minimum validation loss by density.

    The score is that on test data, if there is any. Density falls from left to
    right, as in the paper's figures 3 and 4.

    Raises:
        ImportError: Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'Plots need Matplotlib. Install it with "pip install tf-lottery[plots]".'
        ) from error
    # Not pyplot: a library must not touch the user's figures and backend.
    figure = Figure(figsize=(7.2, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    densities = [100 * row["density"] for row in history.rows()]
    _draw_scores(above, history, densities)
    _draw_steps(below, history, densities)
    _style_density_axis(below, densities)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def _draw_scores(axes: "Axes", history: History, densities: list[float]) -> None:
    name = test_name(history)
    if name not in history[0].outcome.metrics:
        name = history.monitor
    final = _values(history, f"final_{name}")
    axes.plot(densities, final, "o--", color=_SOFT, ms=3, lw=1, label="at the end")
    best = _values(history, name)
    axes.plot(densities, best, "o-", color=_INK, ms=4, label="at min. validation loss")
    axes.axhline(best[0], color="grey", lw=1, ls=":", label="dense")
    _mark_choice(axes, history, densities, best)
    axes.set_ylabel(name)
    axes.set_title("Score of the tickets, by the fraction of weights that they keep")
    axes.legend(frameon=False)


def _draw_steps(axes: "Axes", history: History, densities: list[float]) -> None:
    steps = [float(row["best_step"]) for row in history.rows()]
    axes.plot(densities, steps, "o-", color=_INK, ms=4)
    axes.axhline(steps[0], color="grey", lw=1, ls=":")
    _mark_choice(axes, history, densities, steps)
    axes.set_ylabel("step of min. validation loss")
    axes.set_ylim(0, 1.1 * max(steps))
    axes.set_xlabel("weights remaining, percent")


def _mark_choice(
    axes: "Axes", history: History, densities: list[float], values: list[float]
) -> None:
    verdict = history.verdict()
    at = [densities[verdict.chosen]], [values[verdict.chosen]]
    label = "winning ticket" if verdict.won else "best ticket (no winner)"
    axes.plot(*at, "o", ms=11, mfc="none", mec=_ACCENT, mew=1.8, label=label)


def _style_density_axis(axes: "Axes", densities: list[float]) -> None:
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_xticks(densities, [f"{d:.3g}" for d in densities], fontsize=8)
    axes.minorticks_off()
    for each in axes.figure.axes:
        each.grid(alpha=0.25)
        each.spines[["top", "right"]].set_visible(False)


def _values(history: History, name: str) -> list[Any]:
    return [row.get(name, float("nan")) for row in history.rows()]
