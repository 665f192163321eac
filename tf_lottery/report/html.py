"""The report: one page that needs no network, no script and no other file."""

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike, atomic
from tf_lottery.core.history import History
from tf_lottery.report import reproduce, sections
from tf_lottery.report.comparison import Comparison
from tf_lottery.report.frame import Frame, frame_of
from tf_lottery.report.sweep import Sweep
from tf_lottery.report.table import controls, layers, numbers, rounds, unfinished
from tf_lottery.report.tabular import PAGE
from tf_lottery.verdict.judge import MAX_DENSITY
from tf_lottery.verdict.spread import CONFIDENCE


def to_html(
    history: History | Frame,
    path: PathLike,
    facts: Mapping[str, Any] | None = None,
    compared: Comparison | None = None,
    sweep: Sweep | None = None,
) -> None:
    """Writes the report as one HTML page: findings, figures, tables, conditions.

    Args:
        history: `ticket.history`, that of a run directory, or a `Frame` of one.
        path: The file to write.
        facts: What `plan.json` holds besides the plan: recipe, versions, devices.
        compared: This search and others, see `compare`.
        sweep: The sweep whose best trial this search is.

    Raises:
        ImportError: Jinja2 or Matplotlib is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            "The HTML report needs Jinja2. "
            'Install it with "pip install tf-lottery[plots]".'
        ) from error
    source = importlib.resources.files("tf_lottery.report") / "report.html.jinja"
    # Names come from files and models of anyone: everything is escaped.
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.from_string(source.read_text("utf-8"))
    text = page.render(_content(frame_of(history), facts or {}, compared, sweep))
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8")


def _content(
    frame: Frame,
    facts: Mapping[str, Any],
    compared: Comparison | None,
    sweep: Sweep | None,
) -> dict[str, Any]:
    history, recipe = frame.history, sections.path_here(facts.get("recipe"))
    return {
        "name": Path(recipe).stem if recipe else "a search",
        "place": PAGE,
        "frame": frame,
        "unfinished": unfinished(history),
        "several": len(history.replicates) > 1,
        "max_density": f"{MAX_DENSITY:.0%}",
        "confidence": f"{CONFIDENCE:.0%}",
        "figures": sections.figures(frame),
        "rounds": rounds(frame),
        "controls": controls(frame) if history.controls else None,
        "numbers": {
            "accuracy": ("numbers", "Means, minimum to maximum", numbers(frame)),
            "layers": ("densities", "Density of each layer by round", layers(frame)),
        },
        "compared": sections.comparison(compared) if compared else None,
        "sweep": sections.swept(sweep) if sweep else None,
        "plan": sections.plan(history),
        "conditions": sections.conditions(history, facts),
        "sweep_command": facts.get("sweep", ""),
        "command": reproduce.command(history.plan, recipe, facts) if recipe else "",
        "call": reproduce.call(history.plan, facts.get("data", ())),
    }
