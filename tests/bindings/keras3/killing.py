"""A search that kills its own process, and what its directory then holds."""

import json
import os
import signal
import sys

import keras
import numpy as np

from tests.bindings.keras3 import models
from tf_lottery import find_ticket
from tf_lottery.training import checkpoint


class Killer(keras.callbacks.Callback):
    """Kills the process at the beginning of the n-th epoch that it sees."""

    def __init__(self, at):
        super().__init__()
        self.at, self.seen = at, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def search(path, kill_at=None):
    """Two replicates with two controls, rewound to a step within an epoch."""
    return find_ticket(
        models.with_state(),
        models.arrays(),
        1,
        epochs=2,
        rewind_to=2,
        evaluate_every=2,
        replicates=2,
        controls=["reinit", "shuffle"],
        validation_data=models.arrays(32, seed=1),
        test_data=models.arrays(32, seed=2),
        run_dir=path,
        callbacks=Killer(kill_at),
        verbose=0,
    )


def files(path):
    """The arrays of each file of a directory, and what metrics say."""
    found = {}
    for file in sorted(path.glob("**/*.safetensors")):
        content = file.read_bytes()
        end = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:end])
        found[str(file.relative_to(path))] = {
            name: (a["dtype"], a["shape"], content[end + s : end + e])
            for name, a in header.items()
            if name != "__metadata__"
            for s, e in [a["data_offsets"]]
        }
    for file in sorted(path.glob("**/metrics.json")):
        said = json.loads(file.read_text())
        found[str(file.relative_to(path))] = _without_times(said)
    return found


def _without_times(said):
    if isinstance(said, dict):
        left_out = ("seconds", "digest", "files")  # the files, too, say seconds
        return {k: _without_times(v) for k, v in said.items() if k not in left_out}
    return said


if __name__ == "__main__":
    checkpoint._SHARE = np.inf  # checkpoints at each epoch's end
    search(sys.argv[1], int(sys.argv[2]))
