"""Measures how long the command takes to begin: its answers, and its first step.

    answer      `tf_lottery --help`, and calls with a mistake, until they end
    first step  `tf_lottery find` until LeNet-300-100 has trained for one step and was
                validated, against a plain Keras script that does the same

Each is a process of its own; the script and the search take turns. On JAX "again" is a
search that finds the compiled programs of one before; the other has an empty cache.
"CPU" are seconds of the processor, on which other processes have little influence.

    .venv/bin/python tools/bench_startup.py               about five minutes
    .venv/bin/python tools/bench_startup.py --cases=jax

Run it on a machine that does nothing else.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _bench
from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_integer("repeats", 5, "How many times each is measured.", lower_bound=1)
flags.DEFINE_list("cases", "tf_keras,jax,torch,tensorflow", "Of tf_keras and backends.")
flags.DEFINE_string("output", None, "Where to write the results as JSON.")

ANSWERS = {
    "--help": 0.5,
    "find nope.py": 1.0,
    "find recipe.py --rounds=0": 1.0,
    "sweep recipe.py --vary nope=1": 1.0,
    "show nope": 1.0,
}
FIRST_STEP = 1.3
NETWORK = """
import numpy as np
import {package} as keras

def model():
    layers = keras.layers
    network = keras.Sequential([keras.Input((784,)), *(
        layers.Dense(units, activation="relu") for units in (300, 100)
    ), layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1.2e-3), loss, metrics=["accuracy"])
    return network

def arrays():
    rng = np.random.default_rng(0)
    return rng.random((6000, 784), "float32"), rng.integers(10, size=6000)
"""
PLAIN = """
x, y = arrays()
model().fit(x[:60], y[:60], batch_size=60, validation_data=(x, y), verbose=0)
"""
RECIPE = """
import tf_lottery

PLAN = tf_lottery.Plan(rounds=1, steps=1, batch_size=60)

def dataset(seed):
    return tf_lottery.Data(arrays(), arrays())
"""
# The command, which ends when the first training has.
FIND = """
import os
from tf_lottery.training.one_training import OneTraining

train = OneTraining.train

def first(self):
    train(self)
    os._exit(0)

OneTraining.train = first
from tf_lottery.cli.entry import run
run()
"""


def main(_: Any) -> None:
    """Measures both, and prints what came out."""
    with tempfile.TemporaryDirectory() as directory:
        answers = answering(Path(directory))
        steps = [row for case in FLAGS.cases for row in starting(case, Path(directory))]
    slowest = max(answers, key=lambda row: row["seconds"][0] / row["limit"])
    lines = {
        f"tf_lottery {slowest['call']}": _bench.verdict(
            slowest["seconds"][0], slowest["limit"], " s"
        ),
        "first step": _bench.verdict(max(r["ratio"][0] for r in steps), FIRST_STEP),
    }
    _bench.show("Until the command answers", answers, {})
    _bench.show("Until the first step is taken", steps, lines)
    _bench.write(FLAGS.output, {"answers": answers, "first steps": steps})


def answering(directory: Path) -> list[dict[str, Any]]:
    """A row for each call that needs no framework."""
    (directory / "recipe.py").write_text(RECIPE)
    rows = []
    for call, limit in ANSWERS.items():
        command = ["-m", "tf_lottery", *call.split()]
        taken = [_seconds(directory, command, {}) for _ in range(FLAGS.repeats)]
        wall, cpu = zip(*taken, strict=True)
        found = {"seconds": _bench.median(wall), "CPU": _bench.median(cpu)}
        rows.append({"call": call, **found, "limit": limit})
    return rows


def starting(case: str, directory: Path) -> list[dict[str, Any]]:
    """Rows for `find` with a Keras, against the plain script."""
    package = "tf_keras" if case == "tf_keras" else "keras"
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    if case != "tf_keras":
        environment["KERAS_BACKEND"] = case
    network = NETWORK.format(package=package)
    (directory / "plain.py").write_text(network + PLAIN)
    (directory / "recipe.py").write_text(network + RECIPE)
    (directory / "find.py").write_text(FIND)
    names = ("find", "find again") if case == "jax" else ("find",)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    plain = []
    for turn in range(FLAGS.repeats):
        plain.append(_seconds(directory, ["plain.py"], environment))
        cache = {"XDG_CACHE_HOME": str(directory / f"{case}_{turn}")}
        for name in names:
            run_dir = directory / f"{case}_{name}_{turn}"
            command = ["find.py", "find", "recipe.py", f"--run_dir={run_dir}"]
            taken[name].append(_seconds(directory, command, environment | cache))
    return [_row(f"{case}: {name}", times, plain) for name, times in taken.items()]


def _row(
    name: str, taken: list[tuple[float, float]], plain: list[tuple[float, float]]
) -> dict[str, Any]:
    (wall, cpu), (least, least_cpu) = zip(*taken, strict=True), zip(*plain, strict=True)
    return {
        "case": name,
        "seconds": _bench.median(wall),
        "plain": _bench.median(least),
        "ratio": _bench.ratio(wall, least),
        "ratio of CPU": _bench.ratio(cpu, least_cpu),
    }


def _seconds(
    directory: Path, arguments: list[str], environment: Mapping[str, str]
) -> tuple[float, float]:
    """The seconds of a process of Python, and those of the processor."""
    root = str(Path(__file__).parents[1])
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": root, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    expected = (0, 1, 2) if arguments[0] == "-m" else (0,)
    if process.returncode not in expected:
        sys.exit(f"{arguments} ended with {process.returncode}.")
    return time.perf_counter() - started, used.ru_utime + used.ru_stime


if __name__ == "__main__":
    app.run(main)
