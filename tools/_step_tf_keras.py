"""What masks cost in a training step of tf_keras, beside tfmot.

Compares, in one process:
    dense                 the Keras model, as `fit` trains it
    tfmot, live           stock `prune_low_magnitude` that ranks weights as it trains,
                          every --frequency steps (ConstantSparsity)
    tfmot, held           the same with masks that stay: a schedule that never ranks
    tf_lottery            masked training here, wrapped and compiled as by a search

Each is the model's own compiled train function (what `fit` calls) at
steps_per_execution 1 and 50. All take turns, in random order, for a short chunk of
steps: whole `fit` calls are too noisy to compare. A chunk is divided by the dense
one of the same round and steps_per_execution; the table has the medians of these
ratios with their bootstrap 95 % intervals.

At the end the train function's traces are counted: those of every model above, and
those of a real search after each of its rounds.
"""

import time
from collections.abc import Callable
from typing import Any

import _bench
import numpy as np
from absl import flags

from tf_lottery import Plan, Trainer, run_rounds
from tf_lottery.bindings.tf_keras._imports import keras, sparsity, tf
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.tfmot.schedule import HeldMasks
from tf_lottery.bindings.tf_keras.tfmot.wrap import compile_like, copy_model, wrap
from tf_lottery.core.masks import Masks
from tf_lottery.core.prune import prune
from tf_lottery.zoo import lenet

FLAGS = flags.FLAGS

BATCH, CHUNK, EXAMPLES, LIMIT = 60, 50, 6_000, 1.06
OURS, DENSE = "tf_lottery", "dense"


def main() -> None:
    """Times the models of the flags, and prints and writes the tables."""
    tf.get_logger().setLevel("ERROR")  # it counts the traces of all models as one's
    results: dict[str, Any] = {}
    if "lenet" in FLAGS.models:
        data = batches((28, 28, 1))
        results["lenet"] = bench(lenet.lenet_300_100(), data, FLAGS.lenet_chunks)
    if "conv" in FLAGS.models:
        data = batches((32, 32, 3))
        results["conv"] = bench(conv_2(), data, FLAGS.conv_chunks)
    _bench.write(FLAGS.output, results)


def bench(model: Any, data: Any, chunks: int) -> dict[str, Any]:
    """Times all variants of a model, prints the table and returns its rows."""
    variants = {
        (name, group): Variant(make(model, group), data, group)
        for group in (1, CHUNK)
        for name, make in MAKERS.items()
    }
    turns = {key: variant.chunk for key, variant in variants.items()}
    times = _bench.interleaved(turns, chunks, FLAGS.seed)
    rows = [
        {
            "model": name,
            "steps per execution": group,
            "ms per step": 1e3 * float(np.median(taken)) / CHUNK,
            "ratio to dense [95 %]": _bench.ratio(taken, times[DENSE, group]),
            "traces": variants[name, group].traces(),
        }
        for (name, group), taken in times.items()
    ]
    traces = traces_of_a_search(model, data)
    lines = {
        f"{row['model']}, steps_per_execution {row['steps per execution']}": (
            _bench.verdict(row["ratio to dense [95 %]"][0], LIMIT)
        )
        for row in rows
        if row["model"] == OURS
    }
    lines["Traces of a search's train function after each round"] = str(traces)
    title = f"{model.name}, {model.count_params():,} weights, batch {BATCH}, "
    title += f"{chunks} chunks of {CHUNK} steps"
    _bench.show(title, rows, lines)
    return {"title": title, "rows": rows, "times": _listed(times), "traces": traces}


class Variant:
    """A compiled model and the batches it trains on, a chunk at a time."""

    def __init__(self, model: Any, data: Any, group: int) -> None:
        self.model = model
        self._group = group
        self._batches = iter(data)
        self._train = model.make_train_function()

    def chunk(self) -> float:
        """Trains for a chunk of steps and returns the seconds they took."""
        self.model.reset_metrics()
        started = time.perf_counter()
        for _ in range(CHUNK // self._group):
            logs = self._train(self._batches)
        float(logs["loss"])  # waits until it is computed
        return time.perf_counter() - started

    def traces(self) -> int:
        """How often the train function was traced."""
        return int(self.model.train_tf_function.experimental_get_tracing_count())


def traces_of_a_search(model: Any, data: Any) -> list[int]:
    """How often a search had traced its train function at the end of each round."""
    plan = Plan(rounds=3, steps=CHUNK + 5, steps_per_epoch=CHUNK, rewind_to=3)
    trainer = Trainer(model, data, plan, validation_data=data.take(2))
    return [trainer.traces for _ in run_rounds(trainer, plan)]


def dense(model: Any, group: int) -> Any:
    copy = copy_model(model)
    compile_like(copy, model, steps_per_execution=group)
    return copy


def tfmot_live(model: Any, group: int) -> Any:
    schedule = sparsity.ConstantSparsity(
        1 - FLAGS.density, begin_step=0, frequency=FLAGS.frequency
    )
    return _tfmot(model, group, schedule)


def tfmot_held(model: Any, group: int) -> Any:
    return _masked(_tfmot(model, group, HeldMasks()))


def tf_lottery(model: Any, group: int) -> Any:
    wrapped = wrap(model)
    compile_like(wrapped, model, steps_per_execution=group)
    return _masked(wrapped)


MAKERS: dict[str, Callable[[Any, int], Any]] = {
    DENSE: dense,
    "tfmot, live": tfmot_live,
    "tfmot, held": tfmot_held,
    OURS: tf_lottery,
}


def conv_2() -> Any:
    """The paper's Conv-2 for CIFAR-10, narrower unless the flags say otherwise."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(FLAGS.filters, 3, padding="same", activation="relu"),
            layers.Conv2D(FLAGS.filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(FLAGS.dense, activation="relu"),
            layers.Dense(FLAGS.dense, activation="relu"),
            layers.Dense(10),
        ],
        name=f"conv_2_of_{FLAGS.filters}_filters",
    )
    model.compile(
        optimizer=keras.optimizers.Adam(2e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def batches(shape: tuple[int, ...]) -> Any:
    """Endless batches from memory; equal for all, and nearly free to make."""
    rng = np.random.default_rng(FLAGS.seed)
    images = rng.random((EXAMPLES, *shape), np.float32)
    labels = rng.integers(10, size=EXAMPLES)
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH)
    return data.cache().repeat().prefetch(tf.data.AUTOTUNE)


def _tfmot(model: Any, group: int, schedule: Any) -> Any:
    pruned = sparsity.prune_low_magnitude(copy_model(model), pruning_schedule=schedule)
    compile_like(pruned, model, steps_per_execution=group)
    step = sparsity.UpdatePruningStep()
    step.set_model(pruned)
    step.on_train_begin()  # it has nothing to do in a batch, only around it
    return pruned


def _masked(model: Any) -> Any:
    """The model with the smallest weights masked, as a search does it."""
    live = Live(model)
    state = live.read()
    scores = {path: np.abs(state[path]) for path in live.shapes}
    masks = prune(Masks.full(live.shapes), scores, 1 - FLAGS.density)
    live.assign(state, masks)
    return model


def _listed(times: dict[tuple[str, int], list[float]]) -> list[dict[str, Any]]:
    return [
        {"model": name, "steps_per_execution": group, "seconds": taken}
        for (name, group), taken in times.items()
    ]
