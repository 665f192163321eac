"""Measures how much memory a search takes beyond a dense training.

Trains a model of 25 million weights with Adam, each case in a fresh process:
    dense         Keras `fit`, with validation passes
    search        `find_ticket` that rewinds to a step > 0, its run directory on disk
    search from 0 the same, rewinding to the initialisation

Peak memory is the largest resident set of the process, less what it was when all was
imported and no model was made. It is given in MB and in copies of the weights. The
validation loss rises from its first pass on, so that the best weights and the final
ones are two copies, as in a search that trains long enough.

    .venv/bin/python tools/bench_memory.py                     about three minutes
    .venv/bin/python tools/bench_memory.py --units=8000 --output=memory.json

What else the machine does matters little, as long as it has memory to spare.
"""

import json
import resource
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import _bench
import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
DENSE, SEARCH, FROM_0 = "dense", "search", "search from 0"
flags.DEFINE_integer("units", 5_000, "Of each of the two large layers.", lower_bound=1)
flags.DEFINE_integer("rounds", 3, "Of the search.", lower_bound=1)
flags.DEFINE_integer("steps", 6, "Of a training; it rewinds to the third.", 4)
flags.DEFINE_integer("repeats", 3, "Processes of each case.", lower_bound=1)
flags.DEFINE_string("output", None, "Where to write the results as JSON.")
flags.DEFINE_enum(
    "case", None, [DENSE, SEARCH, FROM_0], "Measure this one here, and print its peak."
)

INPUTS, CLASSES, BATCH, REWIND_TO, EVALUATE_EVERY = 64, 10, 60, 3, 2
COPIES = 6
MB = 2**20


def main(_: Any) -> None:
    if FLAGS.case:
        print(json.dumps(measure(FLAGS.case)))
        return
    cases = {
        case: [in_fresh_process(case) for _ in range(FLAGS.repeats)]
        for case in (DENSE, SEARCH, FROM_0)
    }
    report(cases)


def in_fresh_process(case: str) -> dict[str, int]:
    """What `measure` finds in a process of its own."""
    flag_values = [
        f"--{name}={FLAGS[name].value}" for name in ("units", "rounds", "steps")
    ]
    command = [sys.executable, __file__, f"--case={case}", *flag_values]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(case: str) -> dict[str, int]:
    """Runs a case here; returns its peak memory in bytes, and the model's weights."""
    from tf_lottery.bindings.tf_keras._imports import tf
    from tf_lottery.search import find  # all that a search imports

    warnings.simplefilter("ignore", UserWarning)  # whether the ticket won
    images, labels = arrays()
    # The better it learns the labels, the worse are its guesses of others.
    train, validation = (images, labels), (images, (labels + 1) % CLASSES)
    int(tf.reduce_sum(tf.zeros(1)))  # starts TensorFlow's threads
    before = peak()
    model = compiled()
    if case == DENSE:
        train_dense(model, *train, validation)
    else:
        rewind_to = REWIND_TO if case == SEARCH else 0
        with tempfile.TemporaryDirectory() as directory:
            find.find_ticket(
                model,
                train,
                FLAGS.rounds,
                steps=FLAGS.steps,
                batch_size=BATCH,
                validation_data=validation,
                evaluate_every=EVALUATE_EVERY,
                rewind_to=rewind_to,
                run_dir=Path(directory) / "run",
                verbose=0,
            )
    return {"before": before, "peak": peak(), "weights": model.count_params()}


def train_dense(model: Any, images: Any, labels: Any, validation: Any) -> None:
    """The same steps and validation passes as a round, by `fit`."""
    model.fit(
        images,
        labels,
        batch_size=BATCH,
        steps_per_epoch=EVALUATE_EVERY,
        epochs=FLAGS.steps // EVALUATE_EVERY,
        validation_data=validation,
        validation_batch_size=BATCH,
        verbose=0,
    )


def compiled() -> Any:
    """Two large layers, compiled with Adam and the group size of a search."""
    from tf_lottery.bindings.tf_keras._imports import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((INPUTS,)),
            layers.Dense(FLAGS.units, activation="relu"),
            layers.Dense(FLAGS.units, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=50,
    )
    return model


def arrays() -> tuple[Any, Any]:
    """Random examples: enough batches for a training."""
    rng = np.random.default_rng(0)
    size = FLAGS.steps * BATCH
    images = rng.standard_normal((size, INPUTS)).astype(np.float32)
    return images, rng.integers(CLASSES, size=size)


def peak() -> int:
    """The largest resident set of this process so far, in bytes."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def report(cases: dict[str, list[dict[str, int]]]) -> None:
    """Prints and writes the table."""
    weights = cases[DENSE][0]["weights"]
    copy = 4 * weights / MB
    taken = {
        case: [(found["peak"] - found["before"]) / MB for found in runs]
        for case, runs in cases.items()
    }
    # Steps that overlap or not make a copy's difference; so medians, not extremes.
    medians = {case: float(np.median(peaks)) for case, peaks in taken.items()}
    dense = medians[DENSE]
    rows = [
        {
            "case": case,
            "peak MB, median": medians[case],
            "least": min(peaks),
            "most": max(peaks),
            "copies": medians[case] / copy,
            "copies over dense": (medians[case] - dense) / copy,
        }
        for case, peaks in taken.items()
    ]
    title = f"Peak memory over the imports, {weights:,} weights ({copy:.0f} MB a copy) "
    title += f"with Adam, {FLAGS.repeats} processes each"
    lines = {
        f"{case}, MB": _bench.verdict(medians[case], dense + COPIES * copy)
        for case in (SEARCH, FROM_0)
    }
    _bench.show(title, rows, lines)
    _bench.write(FLAGS.output, {"title": title, "rows": rows, "cases": cases})


if __name__ == "__main__":
    app.run(main)
