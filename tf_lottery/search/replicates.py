"""The replicates of a search: the rounds of each, and their controls."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from tf_lottery.core.history import Round
from tf_lottery.run_dir.cache import Cache
from tf_lottery.run_dir.keys import Keys
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.controls import controls_of, run_controls
from tf_lottery.search.progress import Progress
from tf_lottery.search.recorded import Recorded
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.side_by_side import number_of_controls
from tf_lottery.training.trainer import Trainer


def run_replicates(
    trainer: Trainer,
    run_dir: RunDir,
    progress: Progress,
    manifest: Mapping[str, Any],
    cache: Cache | None = None,
    together: int = 1,
    lanes: int = 1,
) -> Iterator[Round]:
    """Yields the rounds of each replicate, then its controls.

    Finished trainings are read from the run directory.

    Args:
        trainer: That of replicate 0; its plan says how many replicates there are.
        run_dir: The run directory, which must be open.
        progress: Shows trainings.
        manifest: That of the search, for the keys of its trainings.
        cache: Where searches share trainings.
        together: How many trainings share a program, at most. If it is more than one,
            rounds of all replicates come first, and are yielded as they end.
        lanes: How many trainings the program has in which the search takes one place.
    """
    plan = trainer.plan
    most = min(together, plan.replicates), min(together, number_of_controls(plan))

    def replicate(number: int) -> _Replicate:
        own = trainer.with_plan(plan.of_replicate(number), number)
        directory = run_dir.replicate_dir(number)
        of = own, directory, progress, Keys(manifest), cache, most, lanes
        return _Replicate(Recorded(*of))

    replicates = map(replicate, range(plan.replicates))
    if together == 1:
        for each in replicates:
            yield from each.train()
            yield from run_controls(each.recorded, each.rounds)
            each.recorded.finish()
        return
    all_, run = list(replicates), trainer.side_by_side.run
    yield from run((each.train() for each in all_), most[0])
    controls = (controls_of(each.recorded, each.rounds) for each in all_)
    yield from run((control for them in controls for control in them), most[1])
    for each in all_:
        each.recorded.finish()


class _Replicate:
    """A replicate, and the rounds that are trained."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.rounds: list[Round] = []

    def train(self) -> Iterator[Round]:
        """Yields its rounds."""
        number = self.recorded.directory.number
        for round in run_rounds(self.recorded, self.recorded.trainer.plan):
            self.rounds.append(dataclasses.replace(round, replicate=number))
            yield self.rounds[-1]
