"""What a training was, and what a run directory says of it, to be compared."""

import numpy as np

from tf_lottery.run_dir.run_dir import RunDir


def which(round):
    return round.replicate, round.number, round.control, round.draw


def content(round, start="state"):
    """What a training was, and what it gave, but for what only time changes.

    A file has no state of removed weights: beside a ticket that was never written,
    compare its `weights`.
    """
    ticket, outcome = round.ticket, round.outcome
    arrays = [getattr(ticket, start), outcome.weights, outcome.best_weights]
    if outcome.next_start:
        arrays.append(outcome.next_start[1])
    return {
        "masks": ticket.masks.digest(),
        "step": ticket.step,
        "seed": ticket.plan.seed,
        "record": outcome.record(),
        "arrays": [{n: np.asarray(a[n]).tobytes() for n in a} for a in arrays],
    }


def contents(path):
    """What a run directory says of each training."""
    return {which(each): content(each) for each in RunDir(path).history().trainings()}


def arrays_of(path):
    """The files of trainings, byte by byte."""
    files = path.glob("replicate_*/**/*.*")
    return {f.relative_to(path): f.read_bytes() for f in files if f.is_file()}
