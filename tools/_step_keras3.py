"""What masked training costs on a backend of Keras 3, beside the backend's own `fit`.

Compares, in one process, epochs of a model from arrays:
    fit                   as a user calls it
    fit, groups of N      with steps_per_execution=N, where the backend has it
    tf_lottery            masked training here, in groups, as a search does it
    by hand               on JAX, LeNet: the same arithmetic without Keras, in one loop

All take turns, in random order, an epoch each. A time is divided by that of `fit` of
the same round; the table has the medians of these ratios with their bootstrap 95 %
intervals. At the end stands how often a search traced its step.
"""

import time
from typing import Any

import _bench
import keras
import numpy as np
from absl import flags

from tf_lottery import Plan, Trainer, run_rounds
from tf_lottery.core.masks import Masks
from tf_lottery.core.prune import prune

FLAGS = flags.FLAGS
BATCH, STEPS, GROUPS = 60, 200, (10, 50)
FIT, OURS, BY_HAND = "fit", "tf_lottery", "by hand"
BEST, AS_CALLED = 1.03, 0.80  # the bars


def main() -> None:
    """Times the models of the flags, and prints and writes the tables."""
    results: dict[str, Any] = {}
    if "lenet" in FLAGS.models:
        results["lenet"] = bench(lenet, (28, 28, 1), FLAGS.lenet_chunks)
    if "conv" in FLAGS.models:
        results["conv"] = bench(conv_2, (32, 32, 3), FLAGS.conv_chunks)
    _bench.write(FLAGS.output, results)


def bench(make: Any, shape: tuple[int, ...], epochs: int) -> dict[str, Any]:
    """Times all variants of a model, prints the table and returns its rows."""
    rng = np.random.default_rng(FLAGS.seed)
    data = (
        rng.random((BATCH * STEPS, *shape), np.float32),
        rng.integers(10, size=12_000),
    )
    variants = {FIT: Fit(make(), data, 1), OURS: Masked(make(), data)}
    if FLAGS.backend != "torch":
        for group in GROUPS:
            variants[f"{FIT}, groups of {group}"] = Fit(make(), data, group)
    if FLAGS.backend == "jax" and make is lenet:
        from _step_by_hand import ByHand

        variants[BY_HAND] = ByHand(data, BATCH, FLAGS.density)
    turns = {name: variant.epoch for name, variant in variants.items()}
    times = _bench.interleaved(turns, epochs, FLAGS.seed)
    rows = [
        {
            "variant": name,
            "ms per step": 1e3 * float(np.median(taken)) / STEPS,
            "ratio to fit [95 %]": _bench.ratio(taken, times[FIT]),
        }
        for name, taken in times.items()
    ]
    fits = [name for name in times if name.startswith(FIT)]
    best = min(fits, key=lambda name: float(np.median(times[name])))
    to_best = _bench.ratio(times[OURS], times[best])[0]
    to_fit = _bench.ratio(times[OURS], times[FIT])[0]
    lines = {
        f"{OURS} to {FIT}": _bench.verdict(to_fit, AS_CALLED),
        f"{OURS} to the fastest, {best}": _bench.verdict(to_best, BEST),
        "Traces of a search's step after each round": str(traces(make(), data)),
    }
    if BY_HAND in times:
        to_hand, low, high = _bench.ratio(times[OURS], times[BY_HAND])
        lines[f"{OURS} to {BY_HAND}"] = f"{to_hand:.2f} [{low:.2f}, {high:.2f}]"
    model = variants[FIT].model
    title = f"{model.name} on {FLAGS.backend}, {model.count_params():,} weights, "
    title += f"batch {BATCH}, {epochs} epochs of {STEPS} steps"
    _bench.show(title, rows, lines)
    listed = [{"variant": name, "seconds": taken} for name, taken in times.items()]
    return {"title": title, "rows": rows, "times": listed}


class Fit:
    """A model that Keras trains, an epoch at a time."""

    def __init__(self, model: Any, data: Any, group: int) -> None:
        self.model = model
        self._data = data
        model.steps_per_execution = group

    def epoch(self) -> float:
        """Trains for an epoch, and returns the seconds that it took."""
        started = time.perf_counter()
        self.model.fit(*self._data, batch_size=BATCH, verbose=0)
        return time.perf_counter() - started


class Masked:
    """A masked model that is trained in groups, as a search does it.

    `most` is the most steps of a group; by default, what the engine takes.
    """

    def __init__(self, model: Any, data: Any, most: int | None = None) -> None:
        trainer = Trainer(model, data, Plan(batch_size=BATCH))
        self._engine = trainer._prepared.searched.engine
        self._batches = trainer._prepared.data.feed.begin()
        live = trainer._prepared.searched.live
        state = live.read()
        scores = {path: np.abs(state[path]) for path in live.shapes}
        masks = prune(Masks.full(live.shapes), scores, 1 - FLAGS.density)
        live.assign(state, masks)
        self._step, self._steps = 0, len(data[1]) // BATCH
        self._group = min(most or self._engine.group, self._steps)

    def epoch(self) -> float:
        """Trains for an epoch, and returns the seconds that it took."""
        started = time.perf_counter()
        self._engine.begin_epoch()
        batches = self._batches.open(self._step)
        for _ in range(self._steps // self._group):
            self._engine.train(batches, self._group)
        self._step += self._steps
        return time.perf_counter() - started


def traces(model: Any, data: Any) -> list[int]:
    """How often a search had traced its step at the end of each round."""
    plan = Plan(rounds=3, steps=STEPS, batch_size=BATCH, rewind_to=3)
    validation = tuple(part[: 5 * BATCH] for part in data)
    trainer = Trainer(model, data, plan, validation_data=validation)
    return [trainer.traces for _ in run_rounds(trainer, plan)]


def lenet() -> Any:
    """The paper's LeNet-300-100."""
    layers = keras.layers
    inside = [keras.Input((28, 28, 1)), layers.Flatten()]
    inside += [layers.Dense(units, activation="relu") for units in (300, 100)]
    return compiled([*inside, layers.Dense(10)], "lenet_300_100", 1.2e-3)


def conv_2() -> Any:
    """The paper's Conv-2 for CIFAR-10, narrower unless the flags say otherwise."""
    layers = keras.layers
    inside = [
        keras.Input((32, 32, 3)),
        layers.Conv2D(FLAGS.filters, 3, padding="same", activation="relu"),
        layers.Conv2D(FLAGS.filters, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(FLAGS.dense, activation="relu"),
        layers.Dense(FLAGS.dense, activation="relu"),
        layers.Dense(10),
    ]
    return compiled(inside, f"conv_2_of_{FLAGS.filters}_filters", 2e-4)


def compiled(layers: list[Any], name: str, rate: float) -> Any:
    """A model of these layers that is trained by Adam."""
    model = keras.Sequential(layers, name=name)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model
