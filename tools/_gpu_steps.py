"""Steps of the GPU report: what a training step costs, alone and with others."""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from typing import Any

import _bench
import _mnist
import _step_keras3
import numpy as np
from _gpu_cases import BATCH, Scale, conv_2, lenet
from _gpu_log import Log

from tf_lottery import Plan, find_ticket

FIT, SINGLE, GROUPED = "Keras fit, dense", "held masks, single steps", "held, grouped"


def step(log: Log, scale: Scale) -> None:
    """A step of LeNet and of Conv-2: dense `fit`, held masks, and these in groups."""
    cases: dict[str, tuple[Callable[[], Any], tuple[int, ...], int]] = {
        "LeNet-300-100": (lenet, (28, 28, 1), scale.lenet_steps),
        "Conv-2": (conv_2, (32, 32, 3), scale.conv_steps),
    }
    for name, (make, shape, steps) in cases.items():
        if log.has("step", f"{name}: {GROUPED}"):
            continue
        if log.left() < 30:
            return
        rng = np.random.default_rng(0)
        data = (
            rng.random((BATCH * steps, *shape), np.float32),
            rng.integers(10, size=BATCH * steps),
        )
        variants = {
            FIT: _step_keras3.Fit(make(), data, 1),
            SINGLE: _step_keras3.Masked(make(), data, 1),
            GROUPED: _step_keras3.Masked(make(), data),
        }
        turns = {name: variant.epoch for name, variant in variants.items()}
        times = _bench.interleaved(turns, scale.turns, seed=0)
        for variant, taken in times.items():
            row = {
                "ms a step": 1e3 * float(np.median(taken)) / steps,
                "of fit [95 %]": _bench.ratio(taken, times[FIT]),
                "steps a turn": steps,
                "turns": scale.turns,
            }
            log.add("step", f"{name}: {variant}", row)
    log.end("step", True, "Medians of turns, in random order; 20 % of weights kept.")


def lanes(log: Log, scale: Scale) -> None:
    """Dense trainings side by side: what a step costs each, without compilation."""
    if "together" not in {each.name for each in dataclasses.fields(Plan)}:
        log.end("lanes", False, "Skipped: this version has no `together`.")
        return
    data = _mnist.mnist()
    for number in scale.lanes:
        if log.has("lanes", str(number)):
            continue
        if log.left() < 30:
            return
        # Longer where a step is short, so that a second is little.
        more = max(scale.lane_steps // number**0.5 // 100 * 100, 100)
        short, long = 100, 100 + int(more)
        _together(data, number, short)  # compiles
        taken = [_together(data, number, steps) for steps in (short, long)]
        log.add(
            "lanes",
            str(number),
            {
                "ms a step and ticket": 1e3 * (taken[1] - taken[0]) / more / number,
                "seconds of the longer": taken[1],
                "steps between": int(more),
            },
        )
    note = "`find_ticket` of dense trainings, the difference of two lengths."
    log.end("lanes", True, note)


def _together(data: Any, number: int, steps: int) -> float:
    """The seconds of so many trainings side by side."""
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        find_ticket(
            lenet,
            data.train,
            0,
            steps=steps,
            batch_size=BATCH,
            validation_data=data.validation,
            evaluate_every=steps,
            replicates=number,
            together=number,
            run_dir=f"{directory}/run",
            verbose=0,
        )
        return time.perf_counter() - started
