"""Searches of replicates and controls by arithmetic, and what their directories say.

Trained by arithmetic, so that every training of a search can be the last one.
"""

import contextlib

from tests.fakes import FakeTrainer, Killed, manifest
from tf_lottery.core import archive
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.find import run_replicates
from tf_lottery.search.progress import Progress

SMALL = Plan(rounds=2, evaluate_every=50, replicates=2, controls=("reinit",))
PLAN = Plan(
    rounds=2,
    rewind_to=20,
    evaluate_every=50,  # the best step is not the last
    controls=("reinit", "shuffle"),
    control_rounds={"reinit": (1,), "shuffle": (2,)},
    control_replicates=2,
    replicates=2,
)
TRAININGS = [(replicate, *t) for replicate in range(2) for t in PLAN.trainings()]


class Dying(FakeTrainer):
    """Dies instead of the training of that number."""

    def __init__(self, plan, number):
        super().__init__(plan)
        self._last = number

    def train(self, *args, **kwargs):
        if len(self.trained) == self._last:
            raise Killed
        return super().train(*args, **kwargs)


def search(path, trainer, verbose=0):
    """Runs or continues a search; what it yielded until it ended or was killed."""
    run_dir, plan = RunDir(path), trainer.plan
    found = []
    with contextlib.suppress(Killed), run_dir.open(manifest(plan), overwrite=False):
        progress = Progress(verbose, plan, 100)
        for round in run_replicates(trainer, run_dir, progress, manifest(plan)):
            found.append(round)
    return found


def trained(path, plan):
    """(replicate, round, control) of what a search has to train."""
    trainer = FakeTrainer(plan)
    search(path, trainer)
    return trainer.controls


def in_file(weights):
    """Whether arrays are in a file, and no longer in memory."""
    return isinstance(getattr(weights, "arrays", weights), archive.Group)


def dying(number, when):
    """Dies at a numbered write: before the file takes its place, or right after."""
    atomic, writes = archive.atomic, iter(range(1, 1000))

    @contextlib.contextmanager
    def written(path):
        due = next(writes) == number
        with atomic(path) as temporary:
            yield temporary
            if due and when == "before":
                raise Killed
        if due:
            raise Killed

    return written
