"""The report: one page that needs no network, no script and no other file."""

import datetime
import importlib.resources
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike, atomic
from tf_lottery.core.history import History
from tf_lottery.core.packages import install
from tf_lottery.core.plan import Plan
from tf_lottery.core.words import duration
from tf_lottery.report import reproduce
from tf_lottery.report.canvas import embedded
from tf_lottery.report.comparison import Comparison
from tf_lottery.report.curves import draw_curves
from tf_lottery.report.frame import Frame, frame_of
from tf_lottery.report.headline import headline
from tf_lottery.report.layers import draw_layers
from tf_lottery.report.plots import draw
from tf_lottery.report.sweep import Sweep, in_words
from tf_lottery.report.sweep_figure import NAMED
from tf_lottery.report.table import controls, layers, numbers, rounds, unfinished
from tf_lottery.report.tabular import PAGE, Cell, Column, Table
from tf_lottery.verdict import formats
from tf_lottery.verdict.judge import MAX_DENSITY
from tf_lottery.verdict.spread import CONFIDENCE

_Row = tuple[str, str, str]  # a name, a value and how they look
_BANDS = "Lines are means; bands are the range from minimum to maximum."
_LAYERS = "The percentage of the weights that remain in each layer, by round."


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
    """
    try:
        import jinja2
    except ImportError as error:
        how = install("plots")
        raise ImportError(f"The HTML report needs Jinja2. {how}") from error
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
    history, recipe = frame.history, _path_here(facts.get("recipe"))
    return {
        "name": Path(recipe).stem if recipe else "a search",
        "place": PAGE,
        "frame": frame,
        "headline": headline(frame),
        "unfinished": unfinished(history),
        "several": len(history.replicates) > 1,
        "max_density": f"{MAX_DENSITY:.0%}",
        "confidence": f"{CONFIDENCE:.0%}",
        "figures": [
            _scores(frame),
            *([_curves(frame)] if frame.curve_metrics else []),
            _figure("layers", draw_layers(frame), _LAYERS),
        ],
        "rounds": rounds(frame),
        "controls": controls(frame) if history.controls else None,
        "numbers": {
            "accuracy": ("numbers", "Means, minimum to maximum", numbers(frame)),
            "layers": ("densities", "Density of each layer by round", layers(frame)),
        },
        "compared": _comparison(compared) if compared else None,
        "sweep": _swept(sweep) if sweep else None,
        "plan": _named("plan", _choices(history.plan)),
        "conditions": _named("condition", _conditions(history, facts)),
        "sweep_command": facts.get("sweep", ""),
        "command": reproduce.command(history.plan, recipe, facts) if recipe else "",
        "call": reproduce.call(history.plan, facts.get("data", ())),
    }


def _comparison(compared: Comparison) -> dict[str, Any]:
    """The figure and the table of this search and others."""
    names = ", ".join(compared.searches)
    about = (
        f"{compared.frame.score} and the step of minimum validation loss by density, "
        f"of {names}."
    )
    figure = _figure("comparison", draw(compared.frame), about, _BANDS)
    return {"first": compared.first, "figure": figure, "table": compared.grid()}


def _swept(sweep: Sweep) -> dict[str, Any]:
    """The figure and the tables of a sweep."""
    about = (
        "The monitored score against the fraction of the weights that remain, on a log "
        f"axis, of each of {len(sweep.trials)} trials; and the Pareto front: tickets "
        "that are better than all sparser ones."
    )
    more = [f"{NAMED} trials have colours, those on the front first; others are grey."]
    more *= len(sweep.trials) > NAMED
    return {
        "cost": f"{len(sweep.trials)} trials; {sweep.cost()}{sweep.rest()}.",
        "failed": [
            f"{each.name} ({in_words(each.values)}): {each.reason}"
            for each in sweep.failed
        ],
        "objective": sweep.objective,
        "best": f"{sweep.trials[0].name}: {in_words(sweep.trials[0].values)}",
        "figure": _figure("front", sweep.draw(), about, *more),
        "trials": sweep.trial_grid(),
        "front": sweep.front_grid(),
    }


def _choices(plan: Plan) -> Iterator[_Row]:
    """The choices of the plan; those that are not the default are strong."""
    changed = reproduce.not_default(plan)
    for name, value in plan.to_json().items():
        yield name, _plain(value), "strong" if name in changed else ""


def _path_here(recipe: str | None) -> str | None:
    """The path of a recipe, relative to the working directory if it is in it."""
    if recipe and Path(recipe).is_relative_to(Path.cwd()):
        return str(Path(recipe).relative_to(Path.cwd()))
    return recipe


def _scores(frame: Frame) -> dict[str, str]:
    chosen = frame.verdict.rounds[frame.verdict.chosen]
    kinds = ", ".join(line.name for line in frame.lines)
    about = (
        f"{frame.score} and the step of minimum validation loss against the fraction "
        f"of the weights that remain, on a log axis, of {kinds}."
    )
    alt, more = about, [_BANDS] if frame.is_pooled else []
    if chosen.number:
        density = formats.density(chosen.density)
        alt += f" Round {chosen.number} with {density} of the weights is marked."
        more += ["A circle marks the ticket that validation chose."]
    more += ["An arrow at an edge stands for a point outside the figure."]
    return _figure("accuracy", draw(frame), about, *more) | {"alt": alt}


def _curves(frame: Frame) -> dict[str, str]:
    number = frame.controlled_round
    more = f"; and the ticket of round {number} with its controls" if number else ""
    about = (
        f"Learning curves, {' and '.join(frame.curve_metrics)}: the dense network, the "
        f"chosen ticket, one between and the last{more}."
    )
    pooled = [_BANDS] if frame.is_pooled else []
    more = "The steep beginning is cut off."
    return _figure("curves", draw_curves(frame), about, *pooled, more)


def _figure(name: str, figure: Any, about: str, *more: str) -> dict[str, str]:
    caption = " ".join([about, *more])
    return {"name": name, "source": embedded(figure), "alt": about, "caption": caption}


def _conditions(history: History, facts: Mapping[str, Any]) -> Iterator[_Row]:
    """The seeds, the time, the machine and the versions of a search."""
    for number in range(len(history.replicates)):
        seed = history.plan.of_replicate(number).seed
        yield f"Seed of replicate {number}", str(seed), ""
    seconds = [training.outcome.seconds for training in history.trainings()]
    count = f"{len(seconds)}, of which {len(history.controls)} are controls"
    yield "Trainings", count, ""
    if seconds:
        total, longest = duration(sum(seconds)), duration(max(seconds))
        yield "Time spent training", f"{total} (the longest {longest})", ""
    for name in ("recipe", "devices", "fingerprint", "machine", "versions", "data"):
        found = facts.get(name)
        if isinstance(found, Mapping):
            for key, value in found.items():
                yield f"{name.capitalize()}, {key}", _plain(value), ""
        elif found:
            shown = _path_here(found) if name == "recipe" else _plain(found)
            yield name.capitalize(), str(shown), ""
    now = datetime.datetime.now(datetime.timezone.utc)
    yield "This page was written", f"{now:%Y-%m-%d %H:%M} UTC", ""


def _named(head: str, rows: Iterable[_Row]) -> Table:
    """A table of names and values, with how they look."""
    columns = [
        Column(head, lambda name, _, look: Cell(name, look=look), is_text=True),
        Column("value", lambda _, value, look: Cell(value, look=look), is_text=True),
    ]
    return Table(columns, list(rows))


def _plain(value: Any) -> str:
    """A value of a file in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(each)}" for key, each in value.items()) or "-"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_plain, value)) or "-"
    return "-" if value is None else str(value)
