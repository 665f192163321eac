"""A small real search that can be ended anywhere, here or in a process of its own."""

import json
import os
import signal
import sys
import threading

import numpy as np

from tests.fakes import Killed
from tests.models import batches, compiled, keras, with_state
from tests.run_dir.contents import contents
from tests.training.resume_test import DATA
from tf_lottery import Ticket, find_ticket
from tf_lottery.training import checkpoint


def search(data, path, callbacks=()):
    """A search with BatchNorm, Dropout, a late rewind and a control."""
    model = compiled(with_state())  # sets the global seed, which a shuffle mixes in
    dataset, more = DATA[data]()
    return find_ticket(
        model,
        dataset,
        2,
        epochs=3,
        rewind_to=4,
        evaluate_every=5,
        controls="reinit",
        control_rounds=[1],
        validation_data=batches(32, 1),
        test_data=batches(32, 2),
        run_dir=path,
        callbacks=callbacks,
        verbose=0,
        **more,
    )


class Killer(keras.callbacks.Callback):
    """Ends a search at the n-th file operation or the n-th epoch that it sees.

    Args:
        at: ("file", n, "before" or "after"), ("epoch", n) or ("time", seconds).
        end: What ends it.
    """

    def __init__(self, at, end):
        super().__init__()
        self.at, self.end, self.seen = at, end, 0

    def __enter__(self):
        self.replace = os.replace
        os.replace = self.replaced
        if self.at[0] == "time":
            timer = threading.Timer(self.at[1], self.end)
            timer.daemon = True
            timer.start()
        return self

    def __exit__(self, *raised):
        os.replace = self.replace

    def replaced(self, source, target, **options):
        if self._is_here("file") and self.at[2] == "before":
            self.end()
        self.replace(source, target, **options)
        if self._is_at("file") and self.at[2] == "after":
            self.end()

    def on_epoch_begin(self, epoch, logs=None):
        if self._is_here("epoch"):
            self.end()

    def _is_here(self, what):
        self.seen += self.at[0] == what
        return self._is_at(what)

    def _is_at(self, what):
        return self.at[:2] == (what, self.seen)


def draw(rng):
    """A moment by chance; a search has about 40 file operations and 12 epochs."""
    what = rng.choice(["file", "epoch", "time"])
    if what == "file":
        return what, int(rng.integers(1, 25)), str(rng.choice(["before", "after"]))
    if what == "epoch":
        return what, int(rng.integers(1, 9))
    return what, float(rng.uniform(0.2, 4))


def killed_here(data, path, at):
    """Whether a search was ended in this process; else it is finished."""

    def end():
        raise Killed

    with Killer(at, end) as killer:
        try:
            search(data, path, [killer])
        except Killed:
            return True
    return False


def result(path):
    """All that a search found, but for what only time changes."""
    found = contents(path)
    for training in found.values():
        training["record"].pop("seconds")
    ticket = Ticket.load(path / "ticket.safetensors")
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in ticket.rows]
    arrays = [ticket.state, ticket.outcome.weights, ticket.outcome.best_weights]
    return {
        "trainings": found,
        "ticket": (ticket.masks.digest(), ticket.round, ticket.won, ticket.reason),
        "rows": json.dumps(rows),
        "arrays": [{n: np.asarray(a[n]).tobytes() for n in a} for a in arrays],
    }


def main():
    """The search of a process, the moment and the signal that ends it."""
    data, path, at, number = sys.argv[1:]
    checkpoint._SHARE = np.inf  # checkpoints at each epoch's end
    at = json.loads(at)
    if at is None:
        search(data, path)
        return
    with Killer(tuple(at), lambda: os.kill(os.getpid(), int(number))) as killer:
        search(data, path, [killer])


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
