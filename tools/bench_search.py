"""Measures what a whole search costs, in plain dense trainings.

Compares `find_ticket` of n rounds, from the call to the ticket, with n + 1 trainings
of the same steps by Keras `fit`: same data (MNIST from recipes/data), same batches,
same steps_per_execution (50), and the same validation passes. The search also wraps
the model, traces, decides masks, rewinds, checks what it trained and writes its run
directory. The dense model is compiled and traced once too, and gets its first weights
and optimizer state back for each training: the cheapest way to train it n + 1 times.

The two take turns, in random order. The table has the medians of the ratios of each
turn with their bootstrap 95 % intervals; below the search, how much of it is training,
and below dense, what it takes once it is traced, which the search never gets for free.

    .venv/bin/python tools/bench_search.py                     about five minutes
    .venv/bin/python tools/bench_search.py --rounds=15 --steps=2000 --repeats=3

Run it on a machine that does nothing else.
"""

import random
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import _bench
import numpy as np
from absl import app, flags, logging

from tf_lottery import find_ticket
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.zoo import data, lenet

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 5, "Of the search.", lower_bound=1)
flags.DEFINE_integer("steps", 1_000, "Of a training.", lower_bound=1)
flags.DEFINE_integer("evaluate_every", 100, "Steps; it must divide --steps.")
flags.DEFINE_integer("repeats", 5, "How many times each is measured.", lower_bound=1)
flags.DEFINE_integer("group", 50, "steps_per_execution.", lower_bound=2)
flags.DEFINE_integer("seed", 0, "Of the data's order, and of the turns.")
flags.DEFINE_string("data_dir", None, "Where MNIST is prepared; as in tfds.")
flags.DEFINE_string("output", None, "Where to write the results as JSON.")

ARCHIVES = Path(__file__).parents[1] / "recipes" / "data" / "mnist"
LIMIT = 1.10


def main(_: Any) -> None:
    if FLAGS.steps % FLAGS.evaluate_every:
        raise app.UsageError("--evaluate_every must divide --steps.")
    logging.set_verbosity(logging.WARNING)  # tfds logs each file it reads
    warnings.simplefilter("ignore", UserWarning)  # whether the ticket won
    mnist = data.mnist(60, FLAGS.seed, ARCHIVES, FLAGS.data_dir)
    for measure in (search, dense):
        measure(mnist, 2, FLAGS.evaluate_every)  # warms up TensorFlow
    turns: list[dict[str, float]] = []
    order = random.Random(FLAGS.seed)
    for _ in range(FLAGS.repeats):
        turns.append({})
        for measure in order.sample((search, dense), 2):
            turns[-1] |= measure(mnist, FLAGS.rounds + 1, FLAGS.steps)
    report({name: [turn[name] for turn in turns] for name in turns[0]})


def search(mnist: Any, trainings: int, steps: int) -> dict[str, float]:
    """The seconds of a search, and how many of them its trainings took."""
    model = compiled()
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        ticket = find_ticket(
            model,
            mnist.train,
            trainings - 1,
            steps=steps,
            validation_data=mnist.validation,
            evaluate_every=FLAGS.evaluate_every,
            layer_rates={"logits": 0.1},
            run_dir=Path(directory) / "run",
            verbose=0,
        )
        taken = time.perf_counter() - started
    assert ticket.history is not None
    trained = sum(round.outcome.seconds for round in ticket.history)
    return {"search": taken, "training": trained}


def dense(mnist: Any, trainings: int, steps: int) -> dict[str, float]:
    """The seconds of plain trainings, the model compiled and traced once."""
    model = compiled()
    started = time.perf_counter()
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    initial = [variable.numpy() for variable in variables]
    ends = []
    for _ in range(trainings):
        for variable, value in zip(variables, initial, strict=True):
            variable.assign(value)
        model.fit(
            mnist.train.repeat(),
            steps_per_epoch=FLAGS.evaluate_every,
            epochs=steps // FLAGS.evaluate_every,
            validation_data=mnist.validation,
            verbose=0,
        )
        ends.append(time.perf_counter() - started)
    traced = (ends[-1] - ends[0]) * trainings / (trainings - 1)
    return {"dense": ends[-1], "traced": traced}


def compiled() -> Any:
    keras.backend.clear_session()
    model = lenet.lenet_300_100()
    config = dict(model._compile_config.config)
    model.compile(**config | {"steps_per_execution": FLAGS.group})
    return model


def report(seconds: dict[str, list[float]]) -> None:
    """Prints and writes the table."""
    rows = [
        {
            "what": what,
            "seconds, median": float(np.median(seconds[name])),
            "least": min(seconds[name]),
            "most": max(seconds[name]),
            "ratio to dense [95 %]": _bench.ratio(seconds[name], seconds["dense"]),
        }
        for name, what in (
            ("dense", f"{FLAGS.rounds + 1} dense trainings"),
            ("traced", "without tracing"),
            ("search", f"search of {FLAGS.rounds} rounds"),
            ("training", "of it training"),
        )
    ]
    title = f"LeNet-300-100 on MNIST, {FLAGS.steps:,} steps a training, "
    title += f"validated every {FLAGS.evaluate_every}, {FLAGS.repeats} times each"
    found = _bench.ratio(seconds["search"], seconds["dense"])[0]
    strict = _bench.ratio(seconds["search"], seconds["traced"])[0]
    _bench.show(
        title,
        rows,
        {
            "Search to dense": _bench.verdict(found, LIMIT),
            "Search to dense without tracing": f"{strict:.3f}",
        },
    )
    _bench.write(FLAGS.output, {"title": title, "rows": rows, "seconds": seconds})


if __name__ == "__main__":
    app.run(main)
