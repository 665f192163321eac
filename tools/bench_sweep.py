"""Measures what a sweep costs, in the trainings that it does.

Compares a grid of five pruning rates times five rounds, which shares its dense network
and so has 26 trainings, with `find_ticket` of 25 rounds: 26 trainings too, of the same
steps, data (MNIST from recipes/data) and model. The two take turns, in random order.

    .venv/bin/python tools/bench_sweep.py                     about five minutes

Run it on a machine that does nothing else.
"""

import contextlib
import io
import random
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import _bench
import keras_tuner
from absl import app, flags, logging

from tf_lottery import LotteryTuner, choices_of, find_ticket, lottery_objective
from tf_lottery.zoo import data, lenet

FLAGS = flags.FLAGS
flags.DEFINE_integer("steps", 1_000, "Of a training.", lower_bound=1)
flags.DEFINE_integer("evaluate_every", 100, "Steps.", lower_bound=1)
flags.DEFINE_integer("repeats", 3, "How many times each is measured.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Of the turns.")
flags.DEFINE_string("output", None, "Where to write the results as JSON.")

ARCHIVES = Path(__file__).parents[1] / "recipes" / "data" / "mnist"
RATES = (0.1, 0.2, 0.3, 0.4, 0.5)
LIMIT = 1.05


def main(_: Any) -> None:
    logging.set_verbosity(logging.WARNING)
    warnings.simplefilter("ignore")
    turns: list[dict[str, float]] = []
    order = random.Random(FLAGS.seed)
    for measure in (sweep, search):
        measure(2)  # warms up TensorFlow
    for _ in range(FLAGS.repeats):
        turns.append({})
        for measure in order.sample([sweep, search], 2):
            started = time.perf_counter()
            measure(FLAGS.steps)
            turns[-1][measure.__name__] = time.perf_counter() - started
    times = {name: [turn[name] for turn in turns] for name in ("sweep", "search")}
    found = _bench.ratio(times["sweep"], times["search"])
    rows = [
        {"what": name, "seconds": f"{_bench.median(times[name])[0]:.1f}"}
        for name in times
    ]
    told = f"{found[0]:.3f} [{found[1]:.3f}, {found[2]:.3f}]"
    lines = {"ratio": told, "bar": _bench.verdict(found[0], LIMIT)}
    _bench.show(f"26 trainings of {FLAGS.steps:,} steps", rows, lines)
    _bench.write(FLAGS.output, {"times": times, "ratio": found})


def dataset(seed: int) -> Any:
    return data.mnist(60, seed, ARCHIVES)


def model(hp: Any = None) -> Any:
    return lenet.lenet_300_100()


def sweep(steps: int) -> None:
    """Five rates of five rounds."""
    with tempfile.TemporaryDirectory() as directory:
        tuner = LotteryTuner(
            keras_tuner.oracles.GridSearchOracle(
                lottery_objective("smallest_winning_density")
            ),
            model,
            space=choices_of({"pruning_rate": RATES}),
            directory=directory,
            project_name="sweep",
        )
        with contextlib.redirect_stdout(io.StringIO()):
            tuner.search(dataset, **_length(steps), rounds=5, verbose=0)
        found = tuner.sweep()
        if (found.trained, found.trainings) != (26, 30):
            raise RuntimeError(f"The sweep {found.cost()}.")


def search(steps: int) -> None:
    """As many trainings in one search."""
    with tempfile.TemporaryDirectory() as directory:
        find_ticket(
            model, dataset, 25, **_length(steps), run_dir=f"{directory}/run", verbose=0
        )


def _length(steps: int) -> dict[str, int]:
    return {"steps": steps, "evaluate_every": min(FLAGS.evaluate_every, steps)}


if __name__ == "__main__":
    app.run(main)
