"""The replicates of a search: the same rounds and controls, each under its own seed."""

import dataclasses
from collections.abc import Iterator, Sequence

from tf_lottery.core.history import History, Round
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.cache import Cache
from tf_lottery.run_dir.keys import Keys
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.controls import run_controls
from tf_lottery.search.progress import Progress
from tf_lottery.search.recorded import Recorded
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.trainer import Trainer


def run_replicates(
    trainer: Trainer,
    run_dir: RunDir,
    progress: Progress,
    keys: Keys,
    cache: Cache | None = None,
) -> Iterator[Round]:
    """Yields the rounds of each replicate, then its controls.

    Finished trainings are read from the run directory, which must be open. `trainer` is
    that of replicate 0; its plan says how many replicates there are.
    """
    for number in range(trainer.plan.replicates):
        own = trainer.following(trainer.plan.of_replicate(number), number)
        directory = run_dir.replicate_dir(number)
        recorded = Recorded(own, directory, progress, keys, cache)
        rounds: list[Round] = []
        for round in run_rounds(recorded, own.plan):
            rounds.append(dataclasses.replace(round, replicate=number))
            yield rounds[-1]
        yield from run_controls(recorded, rounds)


def collected(
    trainings: Sequence[Round], plan: Plan, monitor: str, maximize: bool
) -> History:
    """The history of what `run_replicates` yielded."""
    rounds = [
        tuple(r for r in trainings if r.replicate == number and r.control is None)
        for number in range(plan.replicates)
    ]
    controls = tuple(r for r in trainings if r.control is not None)
    return History(tuple(rounds), plan, monitor, maximize, controls)
