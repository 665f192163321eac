"""Steps of the GPU report: what a training step costs, alone and with others."""

from collections.abc import Callable
from typing import Any

import _bench
import _mnist
import _step_keras3
import numpy as np
from _gpu_cases import BATCH, Scale, conv_2, lenet
from _gpu_log import Log

from tf_lottery import Plan, Trainer

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
        if log.left() < 20:
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
    """Trainings side by side: what a step costs each, once it is compiled."""
    data = _mnist.mnist()
    trainer = Trainer(
        lenet(), data.train, Plan(batch_size=BATCH), validation_data=data.validation
    )
    prepared = trainer._prepared
    for number in scale.lanes:
        if log.has("lanes", str(number)):
            continue
        if log.left() < 30:
            return
        side_by_side, examples = prepared.searched.lanes, prepared.data
        seconds = [side_by_side.seconds(examples, number) for _ in range(scale.turns)]
        taken = 1e3 * np.array(seconds)
        row = {
            "ms a step": float(np.median(taken)),
            "ms a step and ticket": float(np.median(taken)) / number,
            "least": float(taken.min()) / number,
            "most": float(taken.max()) / number,
            "turns": scale.turns,
        }
        log.add("lanes", str(number), row)
    log.end("lanes", True, "Groups of 128 steps, with copies of metrics to the host.")
