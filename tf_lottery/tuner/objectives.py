"""What a sweep can optimise: figures of a search, and of its ticket.

    smallest_winning_density   of the sparsest winning ticket; 1 if none wins, as the
                               dense network matches itself
    winning_score              the monitored score at that density
    area_under_score           the area under the monitored score over the decimal
                               logarithm of density: a network that keeps an accuracy of
                               1 down to 1% of its weights has 2
    density, best_step         of the ticket that the search returns
    val_accuracy, ...          its metrics on validation data

They are means over the replicates. Test metrics cannot be objectives: test data never
influence a decision.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_lottery.core.history import History
from tf_lottery.core.plan import Plan
from tf_lottery.tuner._keras_tuner import keras_tuner
from tf_lottery.verdict.judge import RoundVerdict, judge
from tf_lottery.verdict.monitor import maximizes
from tf_lottery.verdict.spread import Spread

SMALLEST, SCORE, AREA = "smallest_winning_density", "winning_score", "area_under_score"
_DIRECTIONS = {
    SMALLEST: "min",
    SCORE: "max",
    AREA: "max",
    "density": "min",
    "best_step": "min",
}


def lottery_objective(name: str) -> Any:
    """Keras Tuner's `Objective` of that name, with its direction.

    Keras Tuner itself does not know whether more or less of such a figure is better.

    Args:
        name: See `tf_lottery.tuner.objectives`. `winning_score` is maximised: where a
            loss is monitored, pass an `Objective` with "min" instead.

    Raises:
        ValueError: The direction of that name is not known.
    """
    direction = _DIRECTIONS.get(name) or _of_metric(name)
    if direction is None:
        raise ValueError(
            f"The direction of the objective {name!r} is not known. Pass one of "
            f"{', '.join(_DIRECTIONS)} or a metric of Keras, or give the direction: "
            f'`keras_tuner.Objective({name!r}, "max")`.'
        )
    return keras_tuner.Objective(name, direction)


def _of_metric(name: str) -> str | None:
    """The direction of a metric of Keras, if it is known."""
    try:
        return "max" if maximizes(name, Plan()) else "min"
    except ValueError:
        return None


def all_of(objective: Any) -> list[Any]:
    """The objectives of an oracle, which has one or several."""
    return list(getattr(objective, "objectives", [objective]))


def check_objective(objective: Any, monitors: Iterable[str], maximize: bool) -> None:
    """Raises unless each objective is one that a search will have.

    `maximize` says whether a higher monitored score is better.
    """
    directions = {name: _of_metric(name) for name in monitors}
    validated = any(name.startswith("val_") for name in directions)
    if validated:
        directions |= {**_DIRECTIONS, SCORE: "max" if maximize else "min"}
    names = [each.name for each in all_of(objective)]
    if len({*names}) < len(names):
        raise ValueError(
            f"Each objective must be given once. Received: {', '.join(names)}."
        )
    for each in all_of(objective) or [keras_tuner.Objective("", "max")]:
        name = each.name
        if name not in directions:
            why = "" if validated else " Without validation data no ticket can win."
            raise ValueError(
                f"The objective must be one of {', '.join(map(repr, directions))}, as "
                f"`lottery_objective(name)`. Received: {name!r}.{why}"
            )
        if name == AREA and not maximize:
            raise ValueError(
                f"The objective {AREA!r} needs a monitored score of which more is "
                "better. Monitor an accuracy."
            )
        if directions[name] not in (None, each.direction):
            raise ValueError(
                f"The direction of the objective {name!r} must be "
                f"{directions[name]!r}. Received: {each.direction!r}. Pass "
                f'`keras_tuner.Objective("{name}", "{directions[name]}")`.'
            )


def figures(history: History) -> dict[str, float]:
    """Every figure of a finished search that is a finite number, by name."""
    verdict = judge(history)
    chosen = verdict.rounds[verdict.chosen]
    winning = chosen if verdict.won else verdict.rounds[0]
    trainings = [r[chosen.number] for r in history.replicates if r[chosen.number :]]
    metrics = {name for training in trainings for name in training.outcome.metrics}
    found = {
        name: Spread(tuple(training.score(name) for training in trainings)).mean
        for name in sorted(metrics)
        if not name.startswith(("test_", "final_"))
    }
    found |= {
        SMALLEST: winning.density,
        SCORE: winning.score.mean,
        AREA: _area(verdict.rounds),
        "density": chosen.density,
        "best_step": chosen.best_step.mean,
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def reported(found: Mapping[str, float], objective: Any) -> dict[str, float]:
    """The figures of a trial that Keras Tuner gets: its objective's, and ours."""
    names = [each.name for each in all_of(objective)]
    if missing := [name for name in names if name not in found]:
        raise keras_tuner.errors.FailedTrialError(
            f"The objective {', '.join(map(repr, missing))} of this trial is NaN or "
            "missing."
        )
    # Keras Tuner guesses the direction of other names, and fails where it cannot.
    known = dict.fromkeys([*names, *_DIRECTIONS])
    figures = {name: found[name] for name in known if name in found}
    return {objective.name: objective.get_value(figures), **figures}


def _area(rounds: Sequence[RoundVerdict]) -> float:
    """By the trapezoidal rule, from the dense network to the sparsest round."""
    points = [(-math.log10(round.density), round.score.mean) for round in rounds]
    return math.fsum(
        (x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in itertools.pairwise(points)
    )
