r"""Measures what a whole search costs, in plain dense trainings.

Compares `find_ticket` of n rounds, from the call to the ticket, with n + 1 trainings
of the same steps by Keras `fit`, of the same Keras and backend: same data (MNIST from
recipes/data), same batch size, same steps_per_execution, and the same validation
passes. The search also copies the model, traces, decides masks, rewinds, checks what it
trained and writes its run directory. The dense model is compiled and traced once too,
and gets its first weights and optimizer state back for each training: the cheapest way
to train it n + 1 times.

The two take turns, in random order. The table has the medians of the ratios of each
turn with their bootstrap 95 % intervals, of seconds and of processor seconds; below the
search, how much of it is training, and below dense, what it takes once it is traced,
which the search never gets for free.

    .venv/bin/python tools/bench_search.py                     about five minutes
    .venv/bin/python tools/bench_search.py --rounds=15 --steps=2000 --repeats=3
    .venv/bin/python tools/bench_search.py --rounds=15 --group=1
    .venv/bin/python tools/bench_search.py --rounds=15 --group=1 --data=arrays \
        --binding=keras3 --backend=jax

Run it on a machine that does nothing else.
"""

import os
import random
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import _bench
import numpy as np
from absl import app, flags, logging

from tf_lottery import bindings

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 5, "Of the search.", lower_bound=1)
flags.DEFINE_integer("steps", 1_000, "Of a training.", lower_bound=1)
flags.DEFINE_integer("evaluate_every", 100, "Steps; it must divide --steps.")
flags.DEFINE_integer("repeats", 5, "How many times each is measured.", lower_bound=1)
flags.DEFINE_integer("group", 50, "steps_per_execution.", lower_bound=1)
flags.DEFINE_enum("binding", "tf_keras", ["tf_keras", "keras3"], "Which Keras.")
flags.DEFINE_enum("backend", "jax", ["tensorflow", "jax", "torch"], "Of Keras 3.")
flags.DEFINE_enum(
    "data", "dataset", ["dataset", "arrays"], "What is passed, to `fit` and here."
)
flags.DEFINE_integer("seed", 0, "Of the data's order, and of the turns.")
flags.DEFINE_string("data_dir", None, "Where MNIST is prepared; as in tfds.")
flags.DEFINE_string("output", None, "Where to write the results as JSON.")

ARCHIVES = Path(__file__).parents[1] / "recipes" / "data" / "mnist"
# The most that a search may cost, of plain trainings with groups of one step or more.
LIMITS = {"tf_keras": (0.70, 1.10), "jax": (0.65, 1.15)}
SECONDS, PROCESSOR = time.perf_counter, time.process_time


def main(_: Any) -> None:
    if FLAGS.steps % FLAGS.evaluate_every:
        raise app.UsageError("--evaluate_every must divide --steps.")
    logging.set_verbosity(logging.WARNING)  # tfds logs each file it reads
    warnings.simplefilter("ignore", UserWarning)  # whether the ticket won
    use(FLAGS.binding, FLAGS.backend)
    data = mnist()
    for measure in (search, dense):
        measure(data, 2, FLAGS.evaluate_every)  # warms up the framework
    turns: list[dict[str, Any]] = []
    order = random.Random(FLAGS.seed)
    for _ in range(FLAGS.repeats):
        turns.append({})
        for measure in order.sample((search, dense), 2):
            turns[-1] |= measure(data, FLAGS.rounds + 1, FLAGS.steps)
    report({name: [turn[name] for turn in turns] for name in turns[0]})


def use(binding: str, backend: str) -> None:
    """Chooses the Keras of the process, before it is imported."""
    os.environ["KERAS_BACKEND"] = backend
    bindings.choose(binding)


def mnist() -> Any:
    """MNIST as the flags say: `tf.data.Dataset`s, or rows in memory."""
    from tf_lottery.core.data import Data
    from tf_lottery.zoo import data

    found = data.mnist(60, FLAGS.seed, ARCHIVES, FLAGS.data_dir)
    if FLAGS.data == "dataset":
        return found
    return Data(*(rows(part) for part in (found.train, found.validation, found.test)))


def rows(batches: Any) -> tuple[Any, ...]:
    """All rows of a dataset."""
    columns = zip(*batches.as_numpy_iterator(), strict=True)
    return tuple(np.concatenate(column) for column in columns)


def search(data: Any, trainings: int, steps: int) -> dict[str, Any]:
    """The time of a search, and how much of it its trainings took."""
    from tf_lottery import find_ticket

    model = compiled()
    with tempfile.TemporaryDirectory() as directory:
        began = SECONDS(), PROCESSOR()
        ticket = find_ticket(
            model,
            data.train,
            trainings - 1,
            steps=steps,
            batch_size=60 if FLAGS.data == "arrays" else None,
            validation_data=data.validation,
            evaluate_every=FLAGS.evaluate_every,
            layer_rates={"logits": 0.1},
            run_dir=Path(directory) / "run",
            verbose=0,
        )
        taken = since(began)
    assert ticket.history is not None
    trained = sum(round.outcome.seconds for round in ticket.history)
    return {"search": taken, "training": (trained, np.nan)}


def dense(data: Any, trainings: int, steps: int) -> dict[str, Any]:
    """The time of plain trainings, the model compiled and traced once."""
    model = compiled()
    began = SECONDS(), PROCESSOR()
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    initial = [variable.numpy() for variable in variables]
    given = {"x": data.train}
    if FLAGS.data == "arrays":
        given = {**dict(zip("xy", data.train, strict=True)), "batch_size": 60}
    else:
        given["x"] = data.train.repeat()
    ends = []
    for _ in range(trainings):
        for variable, value in zip(variables, initial, strict=True):
            variable.assign(value)
        model.fit(
            **given,
            steps_per_epoch=FLAGS.evaluate_every,
            epochs=steps // FLAGS.evaluate_every,
            validation_data=data.validation,
            verbose=0,
        )
        ends.append(since(began))
    first, last = np.array(ends[0]), np.array(ends[-1])
    traced = (last - first) * trainings / (trainings - 1)
    return {"dense": ends[-1], "traced": tuple(traced)}


def since(began: tuple[float, float]) -> tuple[float, float]:
    """The seconds, and those of all processors, since then."""
    return SECONDS() - began[0], PROCESSOR() - began[1]


def compiled() -> Any:
    from tf_lottery.zoo import lenet

    bindings.default().keras.backend.clear_session()
    model = lenet.lenet_300_100()
    config = dict(model._compile_config.config)
    model.compile(**config | {"steps_per_execution": FLAGS.group})
    return model


def report(times: dict[str, list[tuple[float, float]]]) -> None:
    """Prints and writes the table."""
    seconds, processor = (
        {name: [time[part] for time in found] for name, found in times.items()}
        for part in (0, 1)
    )
    rows = [
        {
            "what": what,
            "seconds, median": float(np.median(seconds[name])),
            "least": min(seconds[name]),
            "most": max(seconds[name]),
            "ratio to dense [95 %]": _bench.ratio(seconds[name], seconds["dense"]),
            "of processors": _bench.ratio(processor[name], processor["dense"]),
        }
        for name, what in (
            ("dense", f"{FLAGS.rounds + 1} dense trainings"),
            ("traced", "without tracing"),
            ("search", f"search of {FLAGS.rounds} rounds"),
            ("training", "of it training"),
        )
    ]
    keras = FLAGS.binding if FLAGS.binding == "tf_keras" else FLAGS.backend
    title = f"LeNet-300-100 on MNIST ({FLAGS.data}), {keras}, steps_per_execution "
    title += f"{FLAGS.group}, {FLAGS.steps:,} steps a training, validated every "
    title += f"{FLAGS.evaluate_every}, {FLAGS.repeats} times each"
    found = _bench.ratio(seconds["search"], seconds["dense"])[0]
    strict = _bench.ratio(seconds["search"], seconds["traced"])[0]
    lines = {"Search to dense": f"{found:.3f}"}
    if keras in LIMITS:
        limit = LIMITS[keras][FLAGS.group > 1]
        lines["Search to dense"] = _bench.verdict(found, limit)
    lines["Search to dense without tracing"] = f"{strict:.3f}"
    _bench.show(title, rows, lines)
    results = {"seconds": seconds, "processor_seconds": processor}
    _bench.write(FLAGS.output, {"title": title, "rows": rows, **results})


if __name__ == "__main__":
    app.run(main)
