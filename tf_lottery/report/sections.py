"""The sections of the page: what its template is filled with."""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from tf_lottery.core.history import History
from tf_lottery.core.words import duration
from tf_lottery.report import cells, formats, reproduce
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
from tf_lottery.report.table import control_rows, gain_over
from tf_lottery.verdict.difference import STEP
from tf_lottery.verdict.judge import RoundVerdict, Verdict, judge


def figures(history: History) -> list[dict[str, str]]:
    """The figures, with their captions."""
    verdict, score = judge(history), score_name(history)
    chosen = verdict.rounds[verdict.chosen]
    kinds = [line.name for line in lines_of(history)]
    pooled = (
        "Lines are means, bands go from minimum to maximum. "
        if is_pooled(history)
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
        {"name": name, "source": cells.embedded(figure), "alt": alt, "caption": caption}
        for name, (figure, alt, caption) in found.items()
    ]


def is_pooled(history: History) -> bool:
    """Whether a point stands for several trainings."""
    points = (point for line in lines_of(history) for point in line.points)
    return any(len(point.trainings) > 1 for point in points)


def round_row(round: RoundVerdict, verdict: Verdict, score: str) -> dict[str, Any]:
    """A row of the table of rounds."""
    is_pruned, monitor = round.number > 0, round.validation.metric
    test = gain_over(round, DENSE, score) if score != monitor else None
    return {
        "number": round.number,
        "is_chosen": is_pruned and round.number == verdict.chosen,
        "density": formats.density(round.density),
        "replicates": f"{round.replicates} of {round.of}",
        "validation": cells.spread(round.score, monitor),
        "validation_gain": cells.gain(round.validation if is_pruned else None),
        "test": cells.spread(round.test, score),
        "test_gain": cells.gain(test),
        "step": cells.spread(round.best_step, STEP),
        "step_gain": cells.gain(round.steps if is_pruned and round.rewound else None),
        "matches": cells.yes(round.matches) if is_pruned else "",
        "wins": (cells.yes(round.wins), cells.wins_in(round))
        if is_pruned
        else ("", ""),
        "contradicted": round.contradicted,
    }


def controls(history: History, score: str) -> Iterator[dict[str, Any]]:
    """A row for each control of each round."""
    rounds = judge(history).rounds
    for number, kind, scores, steps in control_rows(history):
        yield {
            "number": number,
            "density": formats.density(rounds[number].density),
            "control": kind,
            "trainings": len(steps),
            "score": cells.spread(scores, score),
            "gain": cells.gain(gain_over(rounds[number], kind, score)),
            "step": cells.spread(steps, STEP),
            "step_gain": cells.gain(
                gain_over(rounds[number], kind, STEP)
                if rounds[number].rewound
                else None
            ),
        }


def numbers(history: History, score: str) -> Iterator[dict[str, Any]]:
    """What the first figure draws."""
    for line in lines_of(history):
        for point in line.points:
            yield {
                "line": line.name,
                "round": point.round,
                "density": formats.density(point.density),
                "trainings": len(point.trainings),
                "score": cells.spread(point.spread(score), score),
                "step": cells.spread(point.spread(STEP), STEP),
            }


def comparison(compared: Comparison, score: str) -> dict[str, Any]:
    """This search beside others: a figure, and a row a point."""
    names = list(compared.searches)
    about = (
        f"{score} and the step of minimum validation loss by density, of "
        f"{', '.join(names)}. "
    )
    return {
        "first": names[0],
        "source": cells.embedded(draw(compared.searches)),
        "alt": about,
        "caption": f"{about}Lines are means, bands go from minimum to maximum.",
        "rows": [
            {
                "line": line.name,
                "density": formats.density(point.density),
                "trainings": len(point.trainings),
                "score": cells.spread(point.spread(score), score),
                "gain": cells.gain(gain),
                "step": cells.spread(point.spread(STEP), STEP),
            }
            for line, point, gain in compared.gains()
        ],
    }


def swept(sweep: Sweep) -> dict[str, Any]:
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
        "source": cells.embedded(sweep.draw()),
        "caption": about,
        "trials": [
            {
                "name": trial.name,
                "told": trial.told,
                "objective": formats.score(trial.score),
                "density": formats.density(trial.chosen.density),
                "score": cells.spread(trial.chosen.score, ""),
                "won": cells.yes(trial.verdict.won),
            }
            for trial in sweep.trials
        ],
        "front": [
            {
                "density": formats.density(round.density),
                "score": cells.spread(round.score, ""),
                "test": cells.spread(round.test, ""),
                "won": cells.yes(round.wins) if round.number else "dense",
                "trial": trial.name,
                "round": round.number,
                "told": trial.told,
            }
            for trial, round in sweep.front()
        ],
    }


def layers(history: History) -> dict[str, Any]:
    """The density of each layer in each round."""
    found = layers_of(history)
    numbers = sorted({number for rounds in found.values() for number in rounds})
    rows = {
        layer: [formats.density(rounds[number].mean) for number in numbers]
        for layer, rounds in found.items()
    }
    return {"rounds": numbers, "rows": rows}


def plan_rows(history: History) -> list[tuple[str, str, bool]]:
    """Each choice, and whether it is not the default."""
    changed = reproduce.not_default(history.plan)
    values = history.plan.to_json().items()
    return [(name, cells.plain(value), name in changed) for name, value in values]


def conditions(history: History, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the search was run on and with."""
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
        found = cells.as_typed(found) if name == "recipe" else found
        if isinstance(found, Mapping):
            for key, value in found.items():
                yield f"{name.capitalize()}, {key}", cells.plain(value)
        elif found:
            yield name.capitalize(), cells.plain(found)
    now = datetime.datetime.now(datetime.timezone.utc)
    yield "This page was written", f"{now:%Y-%m-%d %H:%M} UTC"
