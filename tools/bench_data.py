"""Measures how many images a second the CIFAR-10 pipeline gives, and a network takes.

CIFAR-10 must be prepared (TFDS_DATA_DIR); nothing else should run.

    .venv/bin/python tools/bench_data.py                      about two minutes
"""

import time
from typing import Any

import _bench
from absl import app, flags

from tf_lottery.zoo import conv, data, resnet

FLAGS = flags.FLAGS
flags.DEFINE_integer("batches", 300, "Of the pipeline, each time.", lower_bound=1)
flags.DEFINE_integer("steps", 20, "Of the network, each time.", lower_bound=1)
flags.DEFINE_integer("repeats", 3, "How many times each is measured.", lower_bound=1)
flags.DEFINE_string("output", None, "Where to write the results as JSON.")

NETWORKS = {
    "conv_2": (conv.conv_2, 60, False),
    "resnet_18": (resnet.resnet_18, 128, True),
}
LIMIT = 2.0


def main(_: Any) -> None:
    """Measures both in turn, and prints what came out."""
    rows = []
    for name, (make, batch_size, augment) in NETWORKS.items():
        train = data.cifar10(batch_size, seed=0, augment=augment).train
        model = make()
        model.fit(train.take(2), verbose=0)
        given, taken = [], []
        for _turn in range(FLAGS.repeats):
            given.append(_seconds(lambda t=train: _read(t)) / FLAGS.batches)
            taken.append(_seconds(lambda m=model, t=train: _fit(m, t)) / FLAGS.steps)
        rows.append(
            {
                "network": name,
                "augmented": "yes" if augment else "no",
                "batch": batch_size,
                "pipeline, ms a batch": 1e3 * _bench.median(given)[0],
                "network, ms a step": 1e3 * _bench.median(taken)[0],
                "network over pipeline": _bench.ratio(taken, given),
            }
        )
    least = min(row["network over pipeline"][0] for row in rows)
    word = "met" if least >= LIMIT else "MISSED"
    lines = {"bar": f"{least:,.1f}, target at least {LIMIT:.0f}: {word}"}
    _bench.show("CIFAR-10: what the pipeline gives, and networks take", rows, lines)
    _bench.write(FLAGS.output, {"rows": rows})


def _seconds(act: Any) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _read(train: Any) -> None:
    for _batch in train.take(FLAGS.batches):
        pass


def _fit(model: Any, train: Any) -> None:
    model.fit(train.take(FLAGS.steps), verbose=0)


if __name__ == "__main__":
    app.run(main)
