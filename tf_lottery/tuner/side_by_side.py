"""Trials side by side: several searches, whose trainings share a program.

The bits of a training depend on how many lanes its program has, not on what the others
hold. So a trial has the same result whichever trials are beside it, and a sweep that
was stopped continues with the same bits.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from tf_lottery.core.ticket import FoundTicket
from tf_lottery.training.trainer import Trainer
from tf_lottery.tuner._keras_tuner import keras_tuner

Failed = keras_tuner.errors.FailedTrialError
Lane = tuple[Any, Trainer, int]  # a trial, its trainer, and the lanes of its program


def searched(
    trials: Iterable[Any],
    model: Callable[[Any], Hashable],
    prepare: Callable[[Any], tuple[Trainer, int]],
    search: Callable[[Any, Trainer, int], FoundTicket],
    say: Callable[[str], None],
) -> dict[str, FoundTicket | Exception]:
    """What the searches of trials found, or why they failed, by the ids of the trials.

    Args:
        trials: Those of one compiled model share a program. Of several models, one
            after another is trained.
        model: Gives what the compiled model of a trial depends on.
        prepare: Gives the trainer of a trial, and how many lanes its program has.
        search: Searches a trial with its trainer, as one of so many lanes.
        say: Prints a line.

    `model`, `prepare` and `search` raise a `FailedTrialError` where a trial fails.
    """
    found: dict[str, FoundTicket | Exception] = {}
    alike = defaultdict(list)
    for trial in trials:
        try:
            alike[model(trial)].append(trial)
        except Failed as error:
            found[trial.trial_id] = error
    if len(alike) > 1:
        names = (", ".join(trial.trial_id for trial in each) for each in alike.values())
        said = "; ".join(names)
        say(f"Trials of one model share a program, one model after another: {said}.")
    for each in alike.values():
        for group in _groups(each, prepare, found):
            _, trainer, lanes = group[0]
            tasks = (_task(*lane, search) for lane in group)
            found |= dict(trainer.side_by_side.run(tasks, lanes))
    return found


def _groups(
    trials: Iterable[Any],
    prepare: Callable[[Any], tuple[Trainer, int]],
    failed: dict[str, FoundTicket | Exception],
) -> Iterator[list[Lane]]:
    """Trials in a row that have one compiled model and equally many lanes."""
    group: list[Lane] = []
    for trial in trials:
        try:
            trainer, lanes = prepare(trial)
        except Failed as error:
            failed[trial.trial_id] = error
            continue
        if group and not _fits(group[0], trainer, lanes):
            yield group
            group = []
        group.append((trial, trainer, lanes))
    if group:
        yield group


def _fits(lane: Lane, trainer: Trainer, lanes: int) -> bool:
    """Whether a trainer can share the program of a lane."""
    _, other, number = lane
    return number == lanes and trainer.side_by_side.is_of_model_of(other.side_by_side)


def _task(
    trial: Any,
    trainer: Trainer,
    lanes: int,
    search: Callable[[Any, Trainer, int], FoundTicket],
) -> Iterator[tuple[str, FoundTicket | Exception]]:
    """Yields what the search of a trial found, or why it failed."""
    try:
        yield trial.trial_id, search(trial, trainer, lanes)
    except Failed as error:
        yield trial.trial_id, error
