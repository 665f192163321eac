"""Measures a search for a ticket of LeNet-300-100 beside those of others.

The same search on MNIST (rounds, steps, batch, Adam, validation passes) by:
    PyTorch           as a careful user writes it, eager, and with CUDA graphs on a GPU
    tfmot by hand     stock `prune_low_magnitude` in Keras, masks and rewinding by hand
    fits              no search: as many plain Keras fits of the dense network
    tf_lottery        `find_ticket` with its run directory, in each Keras; on JAX also
                      with --lanes replicates side by side, told per replicate

Keras models are compiled by default (steps_per_execution 1), and arrays are passed, so
that all validate in batches of 60, but for PyTorch: there all 5,000 images are one
batch. Each contestant runs in a new process each time. They take turns in random order;
the seed of weights and data is another in each repeat. A ratio is that of two times of
one repeat; the table has medians with bootstrap 95 % intervals.

    .venv/bin/python tools/bench_peers.py                      about an hour
    .venv/bin/python tools/bench_peers.py --write=docs/performance.md
    .venv/bin/python tools/bench_peers.py --growth             how the time grows
    .venv/bin/python tools/bench_peers.py --steps=200 --contestants="PyTorch, eager"

Run it on a machine that does nothing else. `pip install -e ".[bench]"` installs what
the contestants need; those that lack something are left out, and a line says so.
"""

import random
import sys
from typing import Any

import _bench
import _growth
import _peers
from _contestants import CONTESTANTS, LeftOutError, Task, measured
from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 15, "Of the search.", lower_bound=1)
flags.DEFINE_integer("steps", 2_000, "Of a training.", lower_bound=1)
flags.DEFINE_integer("evaluate_every", 100, "Steps; it must divide --steps.")
flags.DEFINE_integer("repeats", 5, "How many times each is measured.", lower_bound=1)
flags.DEFINE_integer("lanes", 5, "Replicates that train side by side.", lower_bound=1)
flags.DEFINE_multi_enum("contestants", [*CONTESTANTS], [*CONTESTANTS], "Who runs.")
flags.DEFINE_enum("clock", "wall", ["wall", "cpu"], "Seconds by this clock.")
flags.DEFINE_integer("seed", 0, "Of the turns, and of the first repeat.")
flags.DEFINE_bool("growth", False, "Measure how the time of a search grows instead.")
flags.DEFINE_string("write", None, "A Markdown file whose table is replaced.")
flags.DEFINE_string("output", None, "Where to write the results as JSON.")


def main(_: Any) -> None:
    if FLAGS.steps % FLAGS.evaluate_every:
        raise app.UsageError("--evaluate_every must divide --steps.")
    task = Task(FLAGS.rounds, FLAGS.steps, FLAGS.evaluate_every, FLAGS.seed)
    if FLAGS.growth:
        report("growth", _growth.grown(task, FLAGS.repeats, FLAGS.clock))
    else:
        report("peers", peers(task))


def peers(task: Task) -> dict[str, Any]:
    """The title, the rows and the runs of all contestants."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in FLAGS.contestants}
    order = random.Random(FLAGS.seed)
    for repeat in range(FLAGS.repeats):
        for name in order.sample([*runs], len(runs)):
            lanes = FLAGS.lanes if CONTESTANTS[name].lanes else 1
            own = {"seed": FLAGS.seed + repeat, "replicates": lanes}
            try:
                found = measured(name, task.but(**own))
            except LeftOutError as error:
                print(f"{name} is left out: {error}.", flush=True)
                del runs[name]
                continue
            runs[name].append(found)
            line = f"{repeat + 1}/{FLAGS.repeats} {name}: {found['wall']:.1f} s"
            print(line, flush=True)
    if not runs:
        sys.exit("Nobody is left to measure: install what a contestant needs.")
    title = f"LeNet-300-100 on MNIST, {task.rounds} rounds, {task.steps:,} steps a "
    title += f"training, validated every {task.evaluate_every}, {FLAGS.clock} seconds"
    seconds = _peers.seconds_of(runs, FLAGS.clock, FLAGS.lanes)
    return {
        "title": title,
        "rows": _peers.table(runs, seconds),
        "lines": _peers.bars(seconds),
        "runs": runs,
    }


def report(section: str, found: dict[str, Any]) -> None:
    """Prints the table, and writes it where the flags say."""
    _bench.show(found["title"], found["rows"], found["lines"])
    seeds = f"seeds {FLAGS.seed} to {FLAGS.seed + FLAGS.repeats - 1}"
    if FLAGS.write:
        text = _bench.section(found, f"{FLAGS.repeats} repeats, {seeds}")
        _bench.replace_section(FLAGS.write, section, text)
    _bench.write(FLAGS.output, found)


if __name__ == "__main__":
    app.run(main)
