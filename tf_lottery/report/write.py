"""The report of a search: one page, its figures, and every number."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.report.comparison import Comparison
from tf_lottery.report.curves import plot_curves
from tf_lottery.report.files import figures_to_csv, to_csv, to_json
from tf_lottery.report.frame import Frame
from tf_lottery.report.html import to_html
from tf_lottery.report.layers import plot_layers
from tf_lottery.report.plots import plot

PAGE = "report.html"


def write(
    found: Frame,
    directory: Path,
    facts: Mapping[str, Any],
    compared: Comparison | None = None,
) -> str:
    """Writes all files of a report into a run directory.

    Args:
        found: The search.
        directory: Where the files go.
        facts: What `plan.json` holds.
        compared: The search beside others.

    Returns:
        What is missing, in words, where Matplotlib or Jinja2 is not installed: figures
        and the page need them. Else an empty text.
    """
    to_csv(found.history, directory / "summary.csv")
    figures_to_csv(found, directory / "figures.csv")
    to_json(found, directory / "summary.json")
    if compared:
        compared.to_csv(directory / "comparison.csv")
        compared.to_json(directory / "comparison.json")
    try:
        plot(found, directory / "accuracy.png")
        plot_curves(found, directory / "curves.png")
        plot_layers(found, directory / "layers.png")
        to_html(found, directory / PAGE, facts, compared)
        if compared:
            compared.plot(directory / "comparison.png")
    except ImportError as error:
        return str(error)
    return ""
