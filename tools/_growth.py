"""How the time of a search grows: exponents, fitted by least squares in logarithms.

One thing grows, the others stay: trainings, weights, replicates, or the rows of the
data at the same number of steps. Time that grows in proportion has the exponent 1; time
that does not grow, 0. Tracing, which does not grow, makes exponents smaller.
"""

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import _bench
import numpy as np
from _contestants import TF_KERAS, LeftOutError, Task, measured, ours_of
from scipy import stats

DOUBLINGS = (1, 2, 4, 8)
SEARCHES = (ours_of("Keras 3 on jax"), ours_of(TF_KERAS))

Sizes = Mapping[int, Task]


def axes(task: Task) -> dict[str, Sizes]:
    """What grows: searches by their size. Where rounds do not, there is one."""
    short = task.but(rounds=1)
    rows = task.rows // max(DOUBLINGS)
    widths = [short.but(width=n) for n in DOUBLINGS[:-1]]
    return {
        "trainings": {2 * n: task.but(rounds=2 * n - 1) for n in DOUBLINGS},
        "weights": {each.weights: each for each in widths},
        "replicates": {n: short.but(replicates=n) for n in DOUBLINGS},
        "rows of the data": {rows * n: short.but(rows=rows * n) for n in DOUBLINGS},
    }


def grown(
    task: Task,
    repeats: int,
    clock: str,
    measure: Callable[[str, Task], Mapping[str, Any]] = measured,
) -> dict[str, Any]:
    """The title and the rows of the table, and the seconds behind it."""
    points = [
        (name, axis, size, each)
        for name in SEARCHES
        for axis, sizes in axes(task).items()
        for size, each in sizes.items()
    ]
    seconds: dict[tuple[str, str], list[tuple[int, float]]] = {}
    order, left_out = random.Random(task.seed), set()
    for repeat in range(repeats):
        for name, axis, size, each in order.sample(points, len(points)):
            if name in left_out:
                continue
            try:
                found = measure(name, each.but(seed=task.seed + repeat))
            except LeftOutError as error:
                print(f"{name} is left out: {error}.", flush=True)
                left_out.add(name)
                continue
            seconds.setdefault((name, axis), []).append((size, found[clock]))
            line = (
                f"{repeat + 1}/{repeats} {name}, {size:,} {axis}: {found[clock]:.1f} s"
            )
            print(line, flush=True)
    if not seconds:
        sys.exit("Nobody is left to measure: install what a search needs.")
    title = f"How the {clock} seconds of a search grow, {task.steps:,} steps a training"
    rows = [_row(*key, found) for key, found in sorted(seconds.items())]
    listed = [[*key, found] for key, found in seconds.items()]
    return {"title": title, "rows": rows, "lines": {}, "seconds": listed}


def exponent(points: Sequence[tuple[float, float]]) -> _bench.Interval:
    """The slope of log seconds over log size, with its 95 % t interval."""
    fit = stats.linregress(*np.log(np.asarray(points, float).T))
    half = stats.t.ppf(0.975, len(points) - 2) * fit.stderr
    return float(fit.slope), float(fit.slope - half), float(fit.slope + half)


def _row(name: str, axis: str, points: Sequence[tuple[int, float]]) -> dict[str, Any]:
    sizes = sorted({size for size, _ in points})
    middle = [np.median([s for size, s in points if size == each]) for each in sizes]
    return {
        "who": name,
        "what grows": axis,
        "sizes": ", ".join(f"{size:,}" for size in sizes),
        "seconds, median": ", ".join(f"{value:.1f}" for value in middle),
        "exponent [95 %]": exponent(points),
    }
