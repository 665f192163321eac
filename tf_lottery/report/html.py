"""The report: one page that needs no network, no script and no other file."""

import base64
import datetime
import importlib.resources
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lottery.core.difference import STEP, Difference
from tf_lottery.core.duration import duration
from tf_lottery.core.io import PathLike, atomic
from tf_lottery.core.records import History
from tf_lottery.core.spread import CONFIDENCE, Spread
from tf_lottery.core.verdict import MAX_DENSITY, RoundVerdict, Verdict
from tf_lottery.report import formats, reproduce
from tf_lottery.report.comparison import Comparison
from tf_lottery.report.curves import draw_curves
from tf_lottery.report.frame import (
    DENSE,
    compared_round,
    curve_metrics,
    layers_of,
    lines_of,
    score_name,
)
from tf_lottery.report.layers import draw_layers
from tf_lottery.report.plots import draw
from tf_lottery.report.sweep import Sweep, in_words
from tf_lottery.report.table import control_rows, gain_over, unfinished

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    verdict, score = history.verdict(), score_name(history)
    recipe = _as_typed(facts.get("recipe"))
    return {
        "name": Path(recipe).stem if recipe else "a search",
        "verdict": verdict,
        "unfinished": unfinished(history),
        "figures": _figures(history),
        "monitor": history.monitor,
        "score": score,
        "tested": score != history.monitor,
        "several": len(history.replicates) > 1,
        "pooled": _is_pooled(history),
        "max_density": f"{MAX_DENSITY:.0%}",
        "confidence": f"{CONFIDENCE:.0%}",
        "unit": _unit(verdict.rounds[-1].validation),
        "uneven": len({each.replicates for each in verdict.rounds}) > 1,
        "rounds": [_round(each, verdict, score) for each in verdict.rounds],
        "controls": list(_controls(history, score)),
        "numbers": list(_numbers(history, score)),
        "layers": _layers(history),
        "compared": _compared(compared, score) if compared else None,
        "sweep": _sweep(sweep) if sweep else None,
        "plan": _plan(history),
        "conditions": list(_conditions(history, facts)),
        "command": (
            reproduce.command(history.plan, recipe, facts.get("dtype_policy"))
            if recipe
            else ""
        ),
        "call": reproduce.call(history.plan, facts.get("data", ())),
    }


def _as_typed(recipe: str | None) -> str | None:
    """The path of a recipe as one types it here."""
    if recipe and Path(recipe).is_relative_to(Path.cwd()):
        return str(Path(recipe).relative_to(Path.cwd()))
    return recipe


def _figures(history: History) -> list[dict[str, str]]:
    verdict, score = history.verdict(), score_name(history)
    chosen = verdict.rounds[verdict.chosen]
    kinds = [line.name for line in lines_of(history)]
    pooled = (
        "Lines are means, bands go from minimum to maximum. "
        if _is_pooled(history)
        else ""
    )
    about = (
        f"{score} and the step of minimum validation loss against the fraction of "
        f"weights that remain, on a log axis, of {', '.join(kinds)}. "
    )
    circle = "The circle is the ticket that was chosen, by validation. "
    circle = circle if verdict.chosen else ""
    found = {
        "accuracy": (
            draw(history),
            f"{about}Round {chosen.number} with {chosen.density:.1%} of the weights "
            f"is marked.",
            f"{about}{pooled}{circle}An arrow at an edge is a point beyond it.",
        )
    }
    if curve_metrics(history):
        number = compared_round(history)
        beside = f"; beside its controls in round {number}" if number else ""
        about = (
            f"Learning curves, {' and '.join(curve_metrics(history))}: the dense "
            f"network, the chosen ticket, one between and the last{beside}."
        )
        more = f"{pooled}The steep beginning is cut off."
        found["curves"] = draw_curves(history), about, f"{about} {more}"
    about = "The percent of the weights that remains in each layer, by round."
    found["layers"] = draw_layers(history), about, about
    return [
        {"name": name, "source": _embedded(figure), "alt": alt, "caption": caption}
        for name, (figure, alt, caption) in found.items()
    ]


def _is_pooled(history: History) -> bool:
    """Whether a point stands for several trainings."""
    points = (point for line in lines_of(history) for point in line.points)
    return any(len(point.trainings) > 1 for point in points)


def _embedded(figure: "Figure") -> str:
    """The figure as the address of an image."""
    import matplotlib

    # Equal figures are equal files: no random names in them, and no date.
    with matplotlib.rc_context({"svg.hashsalt": "tf_lottery"}):
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    text = base64.b64encode(file.getvalue()).decode()
    return f"data:image/svg+xml;base64,{text}"


def _round(round: RoundVerdict, verdict: Verdict, score: str) -> dict[str, Any]:
    is_pruned, monitor = round.number > 0, round.validation.metric
    test = gain_over(round, DENSE, score) if score != monitor else None
    return {
        "number": round.number,
        "is_chosen": is_pruned and round.number == verdict.chosen,
        "density": formats.density(round.density),
        "replicates": f"{round.replicates} of {round.of}",
        "validation": _spread(round.score, monitor),
        "validation_gain": _gain(round.validation if is_pruned else None),
        "test": _spread(round.test, score),
        "test_gain": _gain(test),
        "step": _spread(round.best_step, STEP),
        "step_gain": _gain(round.steps if is_pruned and round.rewound else None),
        "matches": _yes(round.matches) if is_pruned else "",
        "wins": (_yes(round.wins), _wins_in(round)) if is_pruned else ("", ""),
        "contradicted": round.contradicted,
    }


def _controls(history: History, score: str) -> Iterator[dict[str, Any]]:
    rounds = history.verdict().rounds
    for number, kind, scores, steps in control_rows(history):
        yield {
            "number": number,
            "density": formats.density(rounds[number].density),
            "control": kind,
            "trainings": len(steps),
            "score": _spread(scores, score),
            "gain": _gain(gain_over(rounds[number], kind, score)),
            "step": _spread(steps, STEP),
            "step_gain": _gain(
                gain_over(rounds[number], kind, STEP)
                if rounds[number].rewound
                else None
            ),
        }


def _numbers(history: History, score: str) -> Iterator[dict[str, Any]]:
    """What the first figure draws."""
    for line in lines_of(history):
        for point in line.points:
            yield {
                "line": line.name,
                "round": point.round,
                "density": formats.density(point.density),
                "trainings": len(point.trainings),
                "score": _spread(point.spread(score), score),
                "step": _spread(point.spread(STEP), STEP),
            }


def _compared(compared: Comparison, score: str) -> dict[str, Any]:
    """This search beside others: a figure, and a row a point."""
    names = list(compared.searches)
    about = (
        f"{score} and the step of minimum validation loss by density, of "
        f"{', '.join(names)}. "
    )
    return {
        "first": names[0],
        "source": _embedded(draw(compared.searches)),
        "alt": about,
        "caption": f"{about}Lines are means, bands go from minimum to maximum.",
        "rows": [
            {
                "line": line.name,
                "density": formats.density(point.density),
                "trainings": len(point.trainings),
                "score": _spread(point.spread(score), score),
                "gain": _gain(gain),
                "step": _spread(point.spread(STEP), STEP),
            }
            for line, point, gain in compared.gains()
        ],
    }


def _sweep(sweep: Sweep) -> dict[str, Any]:
    """The trials and the front of a sweep: a figure and two tables."""
    about = (
        f"The monitored score against the fraction of weights that remain, on a log "
        f"axis, of each of {len(sweep.trials)} trials, and the Pareto front: tickets "
        "that no sparser one beats."
    )
    return {
        "cost": f"{len(sweep.trials)} trials; {sweep.cost()}{sweep.rest()}.",
        "failed": [
            f"{trial.name} ({in_words(trial.values)}): {trial.reason}"
            for trial in sweep.failed
        ],
        "objective": sweep.objective,
        "source": _embedded(sweep.draw()),
        "caption": about,
        "trials": [
            {
                "name": trial.name,
                "told": trial.told,
                "objective": formats.score(trial.score),
                "density": formats.density(trial.chosen.density),
                "score": _spread(trial.chosen.score, ""),
                "won": _yes(trial.verdict.won),
            }
            for trial in sweep.trials
        ],
        "front": [
            {
                "density": formats.density(round.density),
                "score": _spread(round.score, ""),
                "test": _spread(round.test, ""),
                "won": _yes(round.wins) if round.number else "dense",
                "trial": trial.name,
                "round": round.number,
                "told": trial.told,
            }
            for trial, round in sweep.front()
        ],
    }


def _layers(history: History) -> dict[str, Any]:
    layers = layers_of(history)
    numbers = sorted({number for rounds in layers.values() for number in rounds})
    rows = {
        layer: [formats.density(rounds[number].mean) for number in numbers]
        for layer, rounds in layers.items()
    }
    return {"rounds": numbers, "rows": rows}


def _plan(history: History) -> list[tuple[str, str, bool]]:
    """Each choice, and whether it is not the default."""
    changed = reproduce.not_default(history.plan)
    values = history.plan.to_json().items()
    return [(name, _plain(value), name in changed) for name, value in values]


def _conditions(
    history: History, facts: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for number in range(len(history.replicates)):
        seed = history.plan.of_replicate(number).seed
        yield f"Seed of replicate {number}", str(seed)
    trained = history.trainings()
    seconds = [training.outcome.seconds for training in trained]
    yield "Trainings", f"{len(trained)}, of which {len(history.controls)} are controls"
    if seconds:
        total, longest = duration(sum(seconds)), duration(max(seconds))
        yield "Time spent training", f"{total} (the longest {longest})"
    for name in ("recipe", "devices", "fingerprint", "machine", "versions", "data"):
        found = facts.get(name)
        found = _as_typed(found) if name == "recipe" else found
        if isinstance(found, Mapping):
            for key, value in found.items():
                yield f"{name.capitalize()}, {key}", _plain(value)
        elif found:
            yield name.capitalize(), _plain(found)
    now = datetime.datetime.now(datetime.timezone.utc)
    yield "This page was written", f"{now:%Y-%m-%d %H:%M} UTC"


def _spread(spread: Spread | None, of: str) -> tuple[str, str]:
    if spread is None:
        return "-", ""
    write = formats.step if of == STEP else formats.score
    return write(spread.mean), formats.extremes(spread, of)


def _gain(difference: Difference | None) -> dict[str, Any]:
    if difference is None:
        return {"value": ""}
    value, interval = formats.gain(difference)
    return {
        "value": value,
        "interval": interval,
        "resolved": difference.resolved,
        "several": len(difference) > 1,
        "better": f"{difference.better_in} of {len(difference)}",
    }


def _unit(difference: Difference) -> str:
    unit = formats.gain_unit(difference)
    return f",{unit}" if unit else ""


def _wins_in(round: RoundVerdict) -> str:
    return f"in {round.wins_in} of {round.replicates}" if round.of > 1 else ""


def _yes(claim: bool) -> str:
    return "yes" if claim else "no"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(each)}" for key, each in value.items()) or "-"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_plain, value)) or "-"
    return "-" if value is None else str(value)
