"""The table of `bench_peers.py`: ratios, accuracies and bars."""

from collections.abc import Mapping, Sequence
from typing import Any

import _bench
import numpy as np
from _contestants import (
    CONTESTANTS,
    GRAPHS,
    PYTORCH,
    TF_KERAS,
    TFMOT,
    fits_of,
    ours_of,
)

Seconds = Mapping[str, Sequence[float]]

JAX = "Keras 3 on jax"
# The bars without a GPU, and with one: whose time, of whose.
_BARS = (
    ((ours_of(TF_KERAS), fits_of(TF_KERAS)), 0.70, None),
    ((ours_of(JAX), fits_of(JAX)), 0.65, 0.20),
    ((ours_of(JAX), PYTORCH), 0.60, 0.10),
    ((ours_of(JAX), GRAPHS), None, 0.50),
    ((ours_of(JAX, lanes=True), PYTORCH), None, 0.10),
    ((ours_of(JAX), TFMOT), 0.60, 0.30),
    ((ours_of(TF_KERAS), TFMOT), 0.60, None),
)
# The table has the accuracy of these rounds: dense, 21 % and 3.6 % of the weights.
_TOLD = (0, 7, 15)


def seconds_of(runs: Mapping[str, Any], clock: str, lanes: int) -> Seconds:
    """The seconds of each run; of lanes, those of one replicate."""
    return {
        name: [run[clock] / (lanes if CONTESTANTS[name].lanes else 1) for run in each]
        for name, each in runs.items()
    }


def table(runs: Mapping[str, Any], seconds: Seconds) -> list[dict[str, Any]]:
    """One row for each contestant."""
    densities = _densities(runs)
    last = len(densities) - 1
    told = {n: densities[n] for n in sorted({min(n, last) for n in _TOLD})}
    peers = [name for name in (TFMOT, PYTORCH, GRAPHS) if name in seconds]
    rows = []
    for name, each in runs.items():
        row: dict[str, Any] = {
            "who": name,
            "seconds": _bench.median(seconds[name]),
            "to its fits": _ratio(seconds, name, fits_of(CONTESTANTS[name].keras)),
        }
        row |= {f"to {peer}": _ratio(seconds, name, peer) for peer in peers}
        rows.append(row | dict(_accuracies(each, told)))
    return rows


def bars(seconds: Seconds) -> dict[str, str]:
    """Whether each bar is met; those with a GPU where CUDA graphs ran."""
    found = {}
    for (name, other), on_cpu, on_gpu in _BARS:
        limit = on_gpu if GRAPHS in seconds else on_cpu
        ratio = _ratio(seconds, name, other)
        if limit is not None and not isinstance(ratio, str):
            found[f"{name} to {other}"] = _bench.verdict(ratio[0], limit)
    return found


def _ratio(seconds: Seconds, name: str, other: str) -> _bench.Interval | str:
    if name not in seconds or other not in seconds:
        return ""
    return 1.0 if name == other else _bench.ratio(seconds[name], seconds[other])


def _densities(runs: Mapping[str, Any]) -> list[float]:
    """Of the rounds, by the contestant that pruned most."""
    each = [[density for density, _ in run[0]["rounds"]] for run in runs.values()]
    return min(each, key=lambda densities: densities[-1])


def _accuracies(runs: Sequence[Any], told: Mapping[int, float]) -> Any:
    """Mean test accuracy at the ends of trainings, with its spread over repeats."""
    for number, density in told.items():
        values = [100 * run["rounds"][number][1] for run in runs]
        spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
        is_same = abs(runs[0]["rounds"][number][0] - density) < 1e-3
        text = f"{np.mean(values):.2f}{spread}" if is_same else ""
        yield f"accuracy at {density:.1%}", text
