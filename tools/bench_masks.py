"""Measures pruning and the file of a ticket of many weights, against plain NumPy.

    prune       layerwise and global, against one `numpy.partition` of the scores
    save, load  a ticket, against a plain write (with fsync) and read of its bytes

Each time is a ratio of two that were taken one soon after the other. Peak memory is
what tracemalloc sees beyond the scores; with the scores, it is given in their size.
A read is of a file that the system has in memory, unless it says "cold".

    .venv/bin/python tools/bench_masks.py                 about three minutes, 3 GB
    .venv/bin/python tools/bench_masks.py --weights=10_000_000
"""

import os
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import _bench
import numpy as np
from absl import app, flags

from tf_lottery.core.arrays import Array
from tf_lottery.core.masks import Masks
from tf_lottery.core.prune import prune
from tf_lottery.core.ticket import Ticket

FLAGS = flags.FLAGS
flags.DEFINE_integer("weights", 100_000_000, "In all layers.", lower_bound=1_000)
flags.DEFINE_integer("repeats", 5, "How many times each is measured.", lower_bound=1)
flags.DEFINE_float("rate", 0.2, "Which fraction of the weights goes.")
flags.DEFINE_string("output", None, "Where to write the results as JSON.")

TIME, PEAK = 2.0, 1.5


def main(_: Any) -> None:
    """Measures both, and prints what came out."""
    scores = layers(FLAGS.weights)
    pruned = pruning(scores, FLAGS.rate, FLAGS.repeats)
    with tempfile.TemporaryDirectory() as directory:
        files = filing(scores, FLAGS.rate, FLAGS.repeats, Path(directory))
    slowest = max(row["ratio"][0] for row in [*pruned, *files])
    lines = {
        "time": _bench.verdict(slowest, TIME),
        "peak": _bench.verdict(max(row["peak"] for row in pruned), PEAK),
    }
    _bench.show(f"Pruning {FLAGS.weights:,} weights", pruned, {})
    _bench.show("The file of such a ticket", files, lines)
    _bench.write(FLAGS.output, {"prune": pruned, "files": files})


def layers(weights: int) -> dict[str, Array]:
    """Random scores: one layer of nine tenths of the weights, and ten others."""
    rng, small = np.random.default_rng(0), weights // 100
    sizes = [weights - 10 * small, *[small] * 10]
    return {
        f"dense_{number}/kernel": np.abs(rng.standard_normal(size, np.float32))
        for number, size in enumerate(sizes)
    }


def pruning(
    scores: Mapping[str, Array], rate: float, repeats: int
) -> list[dict[str, Any]]:
    """A row for each scope, of a dense network and of one that was pruned before."""
    flat = np.concatenate(list(scores.values()))
    dense = Masks.full({path: array.shape for path, array in scores.items()})
    starts = {"dense": dense, "sparse": prune(dense, scores, 0.8)}
    rows = []
    for scope in ("layerwise", "global"):
        for start, masks in starts.items():

            def run(masks: Masks = masks, scope: str = scope) -> None:
                prune(masks, scores, rate, scope=scope)

            def partition() -> None:
                np.partition(flat, round(rate * flat.size))

            rows.append(
                {
                    "prune": f"{scope}, {start}",
                    **_compared(run, partition, repeats),
                    "peak": 1 + _peak(run) / flat.nbytes,
                }
            )
    return rows


def filing(
    state: Mapping[str, Array], rate: float, repeats: int, directory: Path
) -> list[dict[str, Any]]:
    """Rows for saving and loading a ticket before and after one round."""
    dense = Masks.full({path: array.shape for path, array in state.items()})
    path, plain = directory / "ticket.safetensors", directory / "plain"
    rows = []
    for name, masks in {"dense": dense, "pruned": prune(dense, state, rate)}.items():
        ticket = Ticket(masks, state)
        ticket.save(path)
        content = path.read_bytes()

        def save(ticket: Ticket = ticket) -> None:
            ticket.save(path, overwrite=True)

        def write(content: bytes = content) -> None:
            with open(plain, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

        cases = {
            "save": (save, write),
            "load": (lambda: _load(path), plain.read_bytes),
            "load, cold": (
                lambda: _load(_forgotten(path)),
                lambda: _forgotten(plain).read_bytes(),
            ),
        }
        rows += [
            {"file": f"{case}, {name}", **_compared(*pair, repeats)}
            for case, pair in cases.items()
        ]
        path.unlink()
    return rows


def _compared(
    act: Callable[[], Any], plain: Callable[[], Any], repeats: int
) -> dict[str, Any]:
    """The seconds of both, taken in turn, and their ratio."""
    taken: list[float] = []
    least: list[float] = []
    for _ in range(repeats):
        least.append(_seconds(plain))
        taken.append(_seconds(act))
    seconds = {"seconds": _bench.median(taken), "plain": _bench.median(least)}
    return {**seconds, "ratio": _bench.ratio(taken, least)}


def _seconds(act: Callable[[], Any]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _peak(act: Callable[[], Any]) -> int:
    """The most bytes that were allocated meanwhile."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _load(path: Path) -> None:
    state = Ticket.load(path).state
    for name in state:
        state[name]


def _forgotten(path: Path) -> Path:
    """The path of a file that the system then reads from its disk, where it can."""
    if hasattr(os, "posix_fadvise"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


if __name__ == "__main__":
    app.run(main)
