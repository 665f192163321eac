"""Tables, files and figures of a search, from its history, without TensorFlow."""

from tf_lottery.report.files import to_csv, to_json
from tf_lottery.report.plots import plot
from tf_lottery.report.table import table

__all__ = ["plot", "table", "to_csv", "to_json"]
