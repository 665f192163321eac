"""Measures what masks cost in a training step on several devices.

Compares the same four models as bench_step.py (dense; stock tfmot with a live schedule
and with masks that stay; tf_lottery), here in the scope of a MirroredStrategy over two
logical CPUs, or over all GPUs where there are some. All take turns, in random order;
the table has the medians of the ratios to the dense model's chunk of the same round,
with their bootstrap 95 % intervals. Below it are the collective operations of a step,
counted in the traced train function: their number, and the bytes that each replica
gives to them.

    .venv/bin/python tools/bench_distribution.py               about five minutes
    .venv/bin/python tools/bench_distribution.py --lenet_chunks=20 --models=lenet

Run it on a machine that does nothing else.
"""

from typing import Any

import _bench
import _step_tf_keras as step
import bench_step  # noqa: F401, its flags
import numpy as np
from absl import app, flags

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_shared import devices
from tf_lottery.zoo import lenet

FLAGS = flags.FLAGS


def main(_: Any) -> None:
    if not tf.config.list_physical_devices("GPU"):
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2,
        )
    tf.get_logger().setLevel("ERROR")  # it counts the traces of all models as one's
    strategy = devices.devices("mirrored", None).strategy
    results: dict[str, Any] = {"devices": devices.Devices(strategy).in_words()}
    print(results["devices"])
    for name, make, shape, chunks in (
        ("lenet", lenet.lenet_300_100, (28, 28, 1), FLAGS.lenet_chunks),
        ("conv", step.conv_2, (32, 32, 3), FLAGS.conv_chunks),
    ):
        if name in FLAGS.models:
            with strategy.scope():
                results[name] = bench(strategy, make(), step.batches(shape), chunks)
    _bench.write(FLAGS.output, results)


def bench(strategy: Any, model: Any, data: Any, chunks: int) -> dict[str, Any]:
    """Times all variants of a model, prints the table and returns its rows."""
    shared = strategy.experimental_distribute_dataset(data)
    variants = {
        (name, group): step.Variant(make(model, group), shared, group)
        for group in (1, step.CHUNK)
        for name, make in step.MAKERS.items()
    }
    turns = {key: variant.chunk for key, variant in variants.items()}
    times = _bench.interleaved(turns, chunks, FLAGS.seed)
    rows = [
        {
            "model": name,
            "steps per execution": group,
            "ms per step": 1e3 * float(np.median(taken)) / step.CHUNK,
            "ratio to dense [95 %]": _bench.ratio(taken, times[step.DENSE, group]),
        }
        for (name, group), taken in times.items()
    ]
    lines = {
        f"{row['model']}, steps_per_execution {row['steps per execution']}": (
            _bench.verdict(row["ratio to dense [95 %]"][0], step.LIMIT)
        )
        for row in rows
        if row["model"] == step.OURS
    }
    for name in step.MAKERS:
        number, size = collectives(variants[name, 1], shared)
        lines[f"Collectives of a step, {name}"] = f"{number}, {size / 1024:,.0f} KB"
    title = f"{model.name}, {model.count_params():,} weights, batch {step.BATCH} on "
    title += f"{strategy.num_replicas_in_sync} replicas, {chunks} chunks"
    _bench.show(title, rows, lines)
    return {"title": title, "rows": rows, "lines": lines}


def collectives(variant: step.Variant, shared: Any) -> tuple[int, int]:
    """The collective operations of a replica in one step, and their bytes.

    At the top level of the graph: what is inside a condition is not counted.
    """
    function = variant.model.train_tf_function
    graph = function.get_concrete_function(iter(shared)).graph
    reduced = [
        operation.inputs[0]
        for operation in graph.get_operations()
        if operation.type.startswith("Collective")
        and operation.inputs
        and operation.inputs[0].dtype != tf.resource
    ]
    replicas = variant.model.distribute_strategy.num_replicas_in_sync
    size = sum(part.shape.num_elements() * part.dtype.size for part in reduced)
    return len(reduced) // replicas, size // replicas


if __name__ == "__main__":
    app.run(main)
