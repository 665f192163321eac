"""Tables, files and figures of a search, from its history, without TensorFlow.

Figures need Matplotlib, the page needs Jinja2 as well, and event files TensorBoard.
Where one is missing, an `ImportError` says how to install it.
"""

from tf_lottery.report.comparison import Comparison as Comparison
from tf_lottery.report.comparison import compare as compare
from tf_lottery.report.comparison import compared as compared
from tf_lottery.report.curves import plot_curves as plot_curves
from tf_lottery.report.files import figures_to_csv as figures_to_csv
from tf_lottery.report.files import to_csv as to_csv
from tf_lottery.report.files import to_json as to_json
from tf_lottery.report.frame import Frame as Frame
from tf_lottery.report.html import to_html as to_html
from tf_lottery.report.layers import plot_layers as plot_layers
from tf_lottery.report.plots import plot as plot
from tf_lottery.report.sweep import Sweep as Sweep
from tf_lottery.report.sweep import Trial as Trial
from tf_lottery.report.table import table as table
from tf_lottery.report.tensorboard import to_tensorboard as to_tensorboard
from tf_lottery.report.write import write as write
