"""Measures how far a training on two replicas is from the same one on one device.

Trains LeNet-300-100 on MNIST on one device; on two (logical CPUs); and on one device
again with one initial weight changed in its last bit. Prints, after some numbers of
steps, the largest difference of a weight from the first training, and the overlap of
the masks that would be decided there: weights that both keep, by those either does.

    .venv/bin/python tools/bench_agreement.py                  about one minute
"""

from pathlib import Path
from typing import Any

import numpy as np
import overlap
from absl import app, flags

from tf_lottery import Plan, Trainer
from tf_lottery.bindings.tf_keras import devices
from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.core.masks import Masks
from tf_lottery.core.prune import prune
from tf_lottery.zoo import data, lenet

FLAGS = flags.FLAGS
flags.DEFINE_list("steps", ["1", "10", "100", "300", "1000"], "Lengths of training.")
flags.DEFINE_float("pruning_rate", 0.2, "Of the masks that are compared.")
flags.DEFINE_string("data_dir", None, "Where MNIST is prepared; as in tfds.")

ARCHIVES = Path(__file__).parents[1] / "recipes" / "data" / "mnist"


def main(_: Any) -> None:
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    strategy = devices.devices("mirrored", None).strategy
    print(f"{'':8}{'two replicas':>25}{'a last bit':>25}")
    print(f"{'steps':>8}" + f"{'difference':>14}{'overlap':>11}" * 2)
    for steps in map(int, FLAGS.steps):
        one = trained(steps)
        others = trained(steps, strategy), trained(steps, nudged=True)
        found = (f"{far(one, w):14.1e}{agreement(one, w):11.5f}" for w in others)
        print(f"{steps:>8,}" + "".join(found), flush=True)


def trained(steps: int, strategy: Any = None, nudged: bool = False) -> Any:
    """The weights after some steps."""

    def model() -> Any:
        made = lenet.lenet_300_100()
        if nudged:
            kernel = made.get_layer("dense_300").kernel
            weights = kernel.numpy()
            weights[300, 100] = np.nextafter(weights[300, 100], np.float32(1))
            kernel.assign(weights)
        return made

    def dataset(seed: int) -> Any:
        return data.mnist(60, seed, ARCHIVES, FLAGS.data_dir)

    trainer = Trainer(model, dataset, Plan(rounds=1, steps=steps), strategy=strategy)
    return trainer.train(trainer.dense()).weights


def far(one: Any, other: Any) -> float:
    """The largest difference of a weight."""
    return max(float(np.abs(one[path] - other[path]).max()) for path in one)


def agreement(one: Any, other: Any) -> float:
    """The overlap of the masks that are decided from these weights."""
    kernels = [path for path in one if path.endswith("kernel")]
    full = Masks.full({path: one[path].shape for path in kernels})
    scores = (
        {path: np.abs(weights[path]) for path in full} for weights in (one, other)
    )
    return overlap.overlap(*(prune(full, s, FLAGS.pruning_rate) for s in scores))


if __name__ == "__main__":
    app.run(main)
