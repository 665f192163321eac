"""Tables, files and figures of a search, from its history, without TensorFlow."""

from tf_lottery.report.comparison import Comparison, compare, compared
from tf_lottery.report.curves import plot_curves
from tf_lottery.report.files import figures_to_csv, to_csv, to_json
from tf_lottery.report.frame import Frame
from tf_lottery.report.html import to_html
from tf_lottery.report.layers import plot_layers
from tf_lottery.report.plots import plot
from tf_lottery.report.sweep import Sweep, Trial
from tf_lottery.report.table import table
from tf_lottery.report.tensorboard import to_tensorboard

__all__ = [
    "Comparison",
    "Frame",
    "Sweep",
    "Trial",
    "compare",
    "compared",
    "figures_to_csv",
    "plot",
    "plot_curves",
    "plot_layers",
    "table",
    "to_csv",
    "to_html",
    "to_json",
    "to_tensorboard",
]
