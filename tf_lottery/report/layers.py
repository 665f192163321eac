"""The figure of the density of each layer by round."""

from typing import TYPE_CHECKING, Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.history import History
from tf_lottery.report.canvas import new_figure, save
from tf_lottery.report.frame import Frame, frame_of
from tf_lottery.verdict import formats

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_layers(history: History | Frame, path: PathLike | None = None) -> "Figure":
    """A figure: one row per layer, one column per round, the percentage kept.

    With a `path` it is written there, too, as a PNG.
    With several replicates it is the mean; with layerwise pruning they are equal.
    """
    figure = draw_layers(history)
    if path is not None:
        save(figure, path)
    return figure


def draw_layers(history: History | Frame) -> "Figure":
    """The figure of `plot_layers`."""
    layers = frame_of(history).layers
    names = [name.removesuffix("/kernel") for name in layers]
    rounds = sorted({number for each in layers.values() for number in each})
    wide = min(1.8 + 0.5 * len(rounds) + 0.07 * max(map(len, names)), 14)
    figure = new_figure(max(wide, 4), 1.1 + 0.32 * len(names))
    axes = figure.subplots()
    means = [[100 * each[number].mean for number in rounds] for each in layers.values()]
    from matplotlib.colors import LogNorm

    least = min((mean for row in means for mean in row if mean > 0), default=1)
    norm = LogNorm(min(least, 50), 130)
    shades = [[float(norm(max(mean, least))) for mean in row] for row in means]
    axes.imshow(shades, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7.5}
    for y, row in enumerate(means):
        for x, mean in enumerate(row):
            color = "white" if shades[y][x] > 0.62 else "black"
            axes.text(x, y, formats.short(mean), color=color, **look)
    axes.set_xticks(range(len(rounds)), list(map(str, rounds)))
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("round")
    axes.set_title("Weights remaining in each layer, percent", fontsize=10)
    axes.tick_params(length=0, labelsize=8.5)
    axes.spines[:].set_visible(False)
    return figure
