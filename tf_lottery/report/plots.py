"""The paper's figure: accuracy and best step against density, on a log axis.

A line is a mean; its band is the range from minimum to maximum of all trainings.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tf_lottery.core.archive import PathLike
from tf_lottery.report import canvas
from tf_lottery.report.canvas import ACCENT, GREY, new_figure, save, styles
from tf_lottery.report.frame import DENSE, TICKET, Frame, Line, Searches, frame_of
from tf_lottery.verdict import formats
from tf_lottery.verdict.difference import STEP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Names = Mapping[tuple[str, str], str]  # of lines, by search and kind
# How far below the tickets the panel shows a control, in heights of the tickets.
_BELOW = 1.5
# How many characters of the legend fit on one line.
_LEGEND = 100


def plot(history: Searches | Frame, path: PathLike | None = None) -> "Figure":
    """The score and the step of minimum validation loss by density, as a figure.

    With a `path` it is written there, too, as a PNG.
    The score is that on test data, if there are any. Density decreases from left to
    right, as in the paper's figures 3 and 4. Several searches by name, each of one
    history or of several, are drawn together: `{"iterative": history, "one-shot": [one,
    another]}`.
    """
    figure = draw(history)
    if path is not None:
        save(figure, path)
    return figure


def draw(searches: Searches | Frame) -> "Figure":
    """The figure of `plot`."""
    frame = frame_of(searches)
    figure = new_figure(7.2, 6.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    lines, score = frame.lines, frame.score
    scores = [score]
    names = {(line.search, line.kind): line.name for line in lines}
    if not frame.is_repeated:  # there is room for another line
        names["", TICKET] = "ticket, at min. validation loss"
        scores.append(f"final_{score}")
        _draw_final(above, lines[0], scores[1])
    for axes, metric, named in (above, score, names), (below, STEP, {}):
        _draw_lines(axes, lines, metric, named)
        _draw_dense(axes, lines, metric, named)
        if frame.is_single:
            _mark_choice(axes, frame, metric, bool(named))
    _keep_tickets_large(above, lines, scores, frame.history.maximize)
    _mark_what_is_outside(above, lines, score)
    above.set_ylabel(score)
    above.yaxis.get_major_formatter().set_useOffset(False)
    below.set_ylabel("step of min. validation loss")
    below.set_ylim(0, 1.04 * below.get_ylim()[1])  # points at the last step are whole
    canvas.tidy([above, below])
    points = [point for line in lines for point in line.points]
    canvas.density_axis(below, [100 * point.density for point in points])
    canvas.whole_numbers(below.yaxis)
    _add_legend(figure, above, list(names.values()))
    return figure


def _draw_lines(axes: "Axes", lines: list[Line], metric: str, names: _Names) -> None:
    style = styles(lines)
    for line in reversed(lines):  # the tickets, which come first, lie on top
        look = style[line.search, line.kind]
        found = [(100 * p.density, p.spread(metric)) for p in line.points]
        x = [density for density, spread in found if spread]
        spreads = [spread for _, spread in found if spread]
        if line.kind == DENSE or not spreads:
            continue
        low, high = [s.low for s in spreads], [s.high for s in spreads]
        mean = [spread.mean for spread in spreads]
        axes.plot(x, mean, label=names.get((line.search, line.kind)), **look)
        axes.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
        axes.vlines(x, low, high, color=look["color"], linewidth=0.8, alpha=0.6)


def _draw_dense(axes: "Axes", lines: list[Line], metric: str, names: _Names) -> None:
    """One level for each dense network; only one where they are equal."""
    levels: dict[Any, Line] = {}
    for line in lines:
        if line.kind == DENSE and (spread := line.points[0].spread(metric)):
            levels.setdefault(spread, line)
    for spread, line in levels.items():
        name = names.get((line.search, line.kind))
        look = styles(lines)[line.search, line.kind]
        label = DENSE if name and len(levels) == 1 else name
        axes.axhline(spread.mean, label=label, **look)
        axes.axhspan(spread.low, spread.high, color=GREY, alpha=0.13, linewidth=0)


def _draw_final(axes: "Axes", line: Line, score: str) -> None:
    """The score at the end of the training."""
    points = [(100 * p.density, p.spread(score)) for p in line.points]
    known = [(density, spread.mean) for density, spread in points if spread]
    if known:
        look: dict[str, Any] = {"color": "#7fb2d6", "markersize": 3, "linewidth": 1}
        axes.plot(*zip(*known, strict=True), "o--", label="ticket, at the end", **look)


def _mark_choice(axes: "Axes", frame: Frame, metric: str, named: bool) -> None:
    point = frame.lines[0].at(frame.verdict.chosen)
    spread = point and point.spread(metric)
    if not point or not spread or not point.round:
        return
    label = "winning ticket" if frame.verdict.won else "best ticket (no winner)"
    at = [100 * point.density], [spread.mean]
    look: dict[str, Any] = {"mfc": "none", "mec": ACCENT, "mew": 1.4, "zorder": 5}
    axes.plot(*at, "o", markersize=13, label=label if named else None, **look)


def _add_legend(figure: "Figure", axes: "Axes", names: Sequence[str]) -> None:
    """Places the legend above the figure, in the order of the lines."""
    found = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    labels = [*(n for n in names if n in found), *(n for n in found if n not in names)]
    columns = max(1, _LEGEND // (max(map(len, labels), default=0) + 7))
    figure.legend(
        [found[label] for label in labels],
        labels,
        loc="outside upper center",
        ncols=min(columns, len(labels) if len(labels) < 5 else -(-len(labels) // 2)),
        frameon=False,
        fontsize=9,
    )


def _keep_tickets_large(
    axes: "Axes", lines: Sequence[Line], scores: Sequence[str], maximize: bool
) -> None:
    """Lets a control that fails leave the panel: it would flatten the tickets."""

    def ends(of: Sequence[Line]) -> list[float]:
        points = [point for line in of for point in line.points]
        found = [point.spread(score) for point in points for score in scores]
        return [end for s in found if s for end in (s.low, s.high)]

    own = ends([line for line in lines if line.kind in (TICKET, DENSE)])
    if not own:
        return
    low, high = min(ends(lines)), max(ends(lines))
    height = max(own) - min(own) or abs(max(own)) * 0.01 or 1.0
    if maximize:
        low = max(low, min(own) - _BELOW * height)
    else:
        high = min(high, max(own) + _BELOW * height)
    axes.set_ylim(low - 0.06 * height, high + 0.06 * height)


def _mark_what_is_outside(axes: "Axes", lines: Sequence[Line], score: str) -> None:
    """Draws an arrow and the value at the edge for each point beyond it."""
    style, (bottom, top) = styles(lines), axes.get_ylim()
    placed: dict[float, int] = {}
    for line in lines:
        for point in line.points:
            spread, color = point.spread(score), style[line.search, line.kind]["color"]
            if spread is None or bottom <= spread.mean <= top:
                continue
            is_below, x = spread.mean < bottom, 100 * point.density
            at = x, 0.0 if is_below else 1.0
            shift = placed[x] = placed.get(x, 0) + 12
            axes.annotate(
                f"{formats.short(spread.mean)}{'▼' if is_below else '▲'}",
                *(at, (0, shift - 8 if is_below else 8 - shift)),
                xycoords=axes.get_xaxis_transform(),
                textcoords="offset points",
                color=color,
                fontsize=7.5,
                ha="center",
                va="bottom" if is_below else "top",
            )
