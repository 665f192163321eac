"""Learning curves: of some tickets, and of a ticket and its controls."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.history import History
from tf_lottery.report.canvas import GREY, new_figure, save, styles, tidy, whole_numbers
from tf_lottery.report.frame import DENSE, TICKET, Frame, Line, Point, frame_of
from tf_lottery.verdict import formats
from tf_lottery.verdict.spread import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The steep beginning, as a fraction of the steps, does not set the vertical range.
_STEEP = 0.1
_Look = dict[str, Any]
_DENSE: _Look = {"color": GREY, "lw": 1.2, "ls": "--", "label": DENSE}
_SHADES = ("#004a75", "#2f86bf", "#7d5fb2", "#c45ba0")


def plot_curves(history: History | Frame, path: PathLike | None = None) -> "Figure":
    """A figure: the monitored score and validation loss by optimizer step.

    With a `path` it is written there, too, as a PNG.
    One panel has the dense network, the chosen ticket, one between and the last. If
    there are controls, another has the ticket and its controls, in the round with
    controls that is nearest to the chosen one.
    """
    figure = draw_curves(history)
    if path is not None:
        save(figure, path)
    return figure


def draw_curves(history: History | Frame) -> "Figure":
    """The figure of `plot_curves`."""
    frame = frame_of(history)
    metrics, panels = frame.curve_metrics, frame.curves
    rows = max(len(metrics), 1)
    figure = new_figure(4.6 * len(panels) if len(panels) > 1 else 7.2, 2.9 * rows)
    grid = figure.subplots(rows, len(panels), sharex=True, sharey="row", squeeze=False)
    looks = {
        "tickets": _by_round(frame, panels["tickets"]),
        "controls": _by_kind(frame, panels.get("controls", [])),
    }
    for row, metric in zip(grid, metrics, strict=False):
        shown: list[tuple[float, Spread]] = []
        for axes, (name, drawn) in zip(row, panels.items(), strict=True):
            for (_, point), look in zip(drawn, looks[name], strict=True):
                shown += _draw(axes, point.curve(metric), look)
        _set_range(row[0], shown)
        row[0].set_ylabel(metric)
    for axes, (name, drawn) in zip(grid[0], panels.items(), strict=True):
        point = drawn[-1][1]
        at = f"round {point.round}, {formats.density(point.density)}"
        title = "Tickets" if name == "tickets" else f"Ticket and controls in {at}"
        axes.set_title(title, fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("optimizer step")
        whole_numbers(axes.xaxis)
        axes.legend(frameon=False, fontsize=8)
    tidy(grid.flat)
    return figure


def _draw(
    axes: "Axes", curve: dict[float, Spread], look: _Look
) -> list[tuple[float, Spread]]:
    steps, spreads = list(curve), list(curve.values())
    marker = "o" if len(steps) == 1 else ""  # a line of one point is invisible
    axes.plot(steps, [spread.mean for spread in spreads], marker=marker, **look)
    if any(len(spread) > 1 for spread in spreads):
        low, high = [s.low for s in spreads], [s.high for s in spreads]
        axes.fill_between(steps, low, high, color=look["color"], alpha=0.15, lw=0)
    return list(curve.items())


def _set_range(axes: "Axes", shown: Sequence[tuple[float, Spread]]) -> None:
    last = max((step for step, _ in shown), default=0.0)
    late = [spread for step, spread in shown if step >= _STEEP * last]
    if late:
        low, high = min(s.low for s in late), max(s.high for s in late)
        room = 0.05 * (high - low) or 0.01
        axes.set_ylim(low - room, high + room)


def _by_round(frame: Frame, drawn: Sequence[tuple[Line, Point]]) -> list[_Look]:
    looks = []
    for number, (_, point) in enumerate(drawn):
        mark = " (the ticket)" if point.round == frame.verdict.chosen else ""
        label = f"round {point.round}, {formats.density(point.density)}{mark}"
        look = {"color": _SHADES[number % len(_SHADES)], "lw": 1.4, "label": label}
        looks.append(look if point.round else _DENSE)
    return looks


def _by_kind(frame: Frame, drawn: Sequence[tuple[Line, Point]]) -> list[_Look]:
    style, looks = styles(frame.lines), []
    for line, point in drawn:
        color = style[line.search, line.kind]["color"]
        is_dense = point.round == 0 and line.kind == TICKET
        look = {"color": color, "lw": 1.4, "label": line.kind}
        looks.append(_DENSE if is_dense else look)
    return looks
