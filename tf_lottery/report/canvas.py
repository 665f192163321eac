"""What the figures of a report share: size, colours, and the axis of densities.

The colours are those of Okabe and Ito, and of Tol, which colour-blind readers can
distinguish; each line also has its own marker.
"""

import base64
import functools
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tf_lottery.core.archive import PathLike, atomic
from tf_lottery.core.packages import install
from tf_lottery.report.frame import DENSE, TICKET, Line
from tf_lottery.verdict import formats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

ACCENT, GREY = "#000000", "#767676"
_TICKETS = (("#0072B2", "o"), ("#882255", "p"), ("#000000", "h"), ("#999933", "8"))
_CONTROLS = {
    "reinit": ("#D55E00", "s"),
    "shuffle": ("#009E73", "^"),
    "reinit_same_sign": ("#CC79A7", "D"),
    "random_mask": ("#E69F00", "v"),
}
_OTHERS = (("#56B4E9", "P"), ("#AA4499", "X"), ("#117733", "*"), ("#332288", "<"))
_DASHES = ("--", "-.", ":")


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, independent of pyplot, which a notebook shows as an image."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"Plots need Matplotlib. {install('plots')}") from error
    # A library must not touch the user's figures and backend.
    figure = Figure(figsize=(width, height), layout="constrained")
    # Notebooks know Matplotlib's figures only after pyplot was imported.
    figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]
    return figure


def _png(figure: "Figure") -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def save(figure: "Figure", path: PathLike) -> None:
    """Writes a PNG."""
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def embedded(figure: "Figure") -> str:
    """The figure as the address of an image, for a page."""
    import matplotlib

    # Equal figures are equal files: without random names and without a date.
    with matplotlib.rc_context({"svg.hashsalt": "tf_lottery"}):
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    text = base64.b64encode(file.getvalue()).decode()
    return f"data:image/svg+xml;base64,{text}"


def styles(lines: Sequence[Line]) -> dict[tuple[str, str], dict[str, Any]]:
    """The colour, marker and dashes of each line, by search and kind."""
    searches = list(dict.fromkeys(line.search for line in lines))
    kinds = dict.fromkeys(line.kind for line in lines)
    unknown = [kind for kind in kinds if kind not in (*_CONTROLS, TICKET, DENSE)]
    spare = {kind: _OTHERS[i % len(_OTHERS)] for i, kind in enumerate(unknown)}
    found = {}
    for line in lines:
        number = searches.index(line.search)
        style: dict[str, Any] = {"markeredgewidth": 0}
        if line.kind == DENSE:
            style = {"color": GREY, "linestyle": (0, (1, 1.5)), "linewidth": 1.3}
        elif line.kind == TICKET:
            color, marker = _TICKETS[number % len(_TICKETS)]
            style |= {"color": color, "marker": marker, "linewidth": 2}
            style |= {"markersize": 5}
        else:
            color, marker = {**_CONTROLS, **spare}[line.kind]
            style |= {"color": color, "marker": marker, "linewidth": 1.3}
            style |= {"linestyle": _DASHES[number % 3], "markersize": 5.5}
        found[line.search, line.kind] = style
    return found


def tidy(axes: Iterable["Axes"]) -> None:
    """Removes what shows no information."""
    for each in axes:
        each.grid(alpha=0.25, linewidth=0.6)
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8.5)


def whole_numbers(axis: "Axis") -> None:
    """Puts ticks at whole numbers, with separated thousands."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axis.set_major_formatter("{x:,.0f}")


def density_axis(axes: "Axes", percents: Iterable[float]) -> None:
    """Makes a log axis of density that decreases to the right, as in the paper."""
    values = sorted(set(percents), reverse=True)
    ticks = list(_apart(values))
    axes.set_xscale("log")
    axes.set_xticks(ticks, [formats.short(tick) for tick in ticks])
    axes.minorticks_off()
    margin = 1.06 * (values[0] / values[-1]) ** 0.02
    axes.set_xlim(values[0] * margin, values[-1] / margin)
    axes.set_xlabel("weights remaining, percent")


def _apart(values: Sequence[float]) -> Iterator[float]:
    """The values whose labels do not touch."""
    least = max(math.log(values[0] / values[-1]) / 17, 1e-9)
    last = math.inf
    for value in values:
        if math.log(last) - math.log(value) >= least:
            last = value
            yield value
