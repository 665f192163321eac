"""The report: one page that needs no network, no script and no other file."""

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike, atomic
from tf_lottery.core.history import History
from tf_lottery.report import cells, reproduce, sections
from tf_lottery.report.comparison import Comparison
from tf_lottery.report.frame import score_name
from tf_lottery.report.sweep import Sweep
from tf_lottery.report.table import unfinished
from tf_lottery.verdict.judge import MAX_DENSITY, judge
from tf_lottery.verdict.spread import CONFIDENCE


def to_html(
    history: History,
    path: PathLike,
    facts: Mapping[str, Any] | None = None,
    compared: Comparison | None = None,
    sweep: Sweep | None = None,
) -> None:
    """Writes the report as one HTML page: findings, figures, tables, conditions.

    Args:
        history: `ticket.history`, or that of a run directory.
        path: Where to.
        facts: What `plan.json` holds beside the plan: recipe, versions, devices.
        compared: This search beside others, see `compare`.
        sweep: That this search is the best trial of.

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
    text = page.render(_content(history, facts or {}, compared, sweep))
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8")


def _content(
    history: History,
    facts: Mapping[str, Any],
    compared: Comparison | None,
    sweep: Sweep | None,
) -> dict[str, Any]:
    verdict, score = judge(history), score_name(history)
    recipe = cells.as_typed(facts.get("recipe"))
    return {
        "name": Path(recipe).stem if recipe else "a search",
        "verdict": verdict,
        "unfinished": unfinished(history),
        "figures": sections.figures(history),
        "monitor": history.monitor,
        "score": score,
        "tested": score != history.monitor,
        "several": len(history.replicates) > 1,
        "pooled": sections.is_pooled(history),
        "max_density": f"{MAX_DENSITY:.0%}",
        "confidence": f"{CONFIDENCE:.0%}",
        "unit": cells.unit(verdict.rounds[-1].validation),
        "uneven": len({each.replicates for each in verdict.rounds}) > 1,
        "rounds": [sections.round_row(each, verdict, score) for each in verdict.rounds],
        "controls": list(sections.controls(history, score)),
        "numbers": list(sections.numbers(history, score)),
        "layers": sections.layers(history),
        "compared": sections.comparison(compared, score) if compared else None,
        "sweep": sections.swept(sweep) if sweep else None,
        "plan": sections.plan_rows(history),
        "conditions": list(sections.conditions(history, facts)),
        "sweep_command": facts.get("sweep", ""),
        "command": reproduce.command(history.plan, recipe, facts) if recipe else "",
        "call": reproduce.call(history.plan, facts.get("data", ())),
    }
