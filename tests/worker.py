"""One worker of searches, run by `workers_test.py` in a process of its own.

python -m tests.worker '{"out": ..., "searches": [{"model": ..., "run_dirs": [...]}]}'

A process costs seconds, so that it runs searches one after another. It writes what
each found, or how it failed; the error of the last one ends it.
"""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from tests.models import (
    Watch,
    arrays,
    bfloat16,
    compiled,
    keras,
    tiny,
    unseeded,
    with_state,
)
from tf_lottery import find_ticket
from tf_lottery.bindings.tf_keras.live import Live

MODELS = {
    "Adam": lambda: compiled(tiny()),
    "norm and dropout": lambda: compiled(with_state()),
    # Its Dropout has a generator, and drops nothing: replicas would not drop alike.
    "drawn under the seed": lambda: unseeded(dropout=1e-9),
    "bfloat16": lambda: compiled(bfloat16()),
    "momentum, global clip norm": lambda: compiled(
        tiny(), keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5)
    ),
}


class Die(keras.callbacks.Callback):
    """Kills this process as nothing else could, at the second epoch's begin."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def spoil():
    """Makes this worker hold another mask than the one it is told to."""
    assign = Live.assign

    def assign_and_spoil(live, state, masks):
        assign(live, state, masks)
        mask = live._masks["hidden/kernel"][0]
        mask.assign(1 - mask)

    Live.assign = assign_and_spoil


def becomes_nan(ticket, context):
    """A control whose first step makes the loss NaN."""
    state = {path: np.full_like(a, np.nan) for path, a in ticket.weights.items()}
    return dataclasses.replace(ticket, state={**ticket.state, **state})


def search(given, index, strategy="multiworker"):
    """The ticket, and what the watch saw, of this worker."""
    watch, dies = Watch(), given.get("dies")
    more = given.get("more", {})
    if given.get("becomes_nan"):
        more = {**more, "controls": [becomes_nan, "reinit"]}

    def watched(round, *_):
        return [watch] + [Die()] * (dies == [index, round])

    ticket = find_ticket(
        MODELS[given["model"]],
        arrays(),
        given.get("rounds", 2),
        epochs=given.get("epochs", {}).get(str(index), 2),
        batch_size=16,
        pruning_rate=0.3,
        validation_data=arrays(32, 1),
        test_data=arrays(16, 2),
        rewind_to=3,
        strategy=strategy,
        run_dir=given["run_dirs"][index],
        callbacks=watched if given.get("watches", True) else (),
        verbose=2,
        **more,
    )
    return {
        "masks": ticket.masks.digest(),
        "density": ticket.density,
        "rows": list(ticket.rows),
        "weights": {p: w.tolist() for p, w in ticket.outcome.weights.items()},
        "starts": {p: w.tolist() for p, w in ticket.weights.items()},
        "reason": ticket.reason,
        "watch": [watch.leaks, watch.differing, watch.calls],
    }


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    if given.get("spoils") == index:
        spoil()
    found = []
    for number, each in enumerate(given["searches"], 1):
        try:
            found.append(search(each, index))
        except Exception as error:
            if number == len(given["searches"]):
                raise
            found.append(f"{type(error).__name__}: {error}")
        Path(given["out"]).with_suffix(f".{index}.json").write_text(json.dumps(found))
