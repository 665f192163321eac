"""Measures what each export reaches, on a real ticket and on a convolutional network.

The ticket is that of a run directory (LeNet-300-100, compared on 1,000 test images).
The networks have random weights: the paper's Conv-6, of which 3.6 percent survive, and
MobileNetV2 (alpha 0.35, 96 x 96 pixels, 10 classes), of which a fifth survives.
The table has the seconds that an export takes, the file's bytes, as they are and
gzipped, their fraction of the dense network's file of the same format, the root mean
square of the outputs' difference, the accuracy, and the time of one example beside the
dense file's: the median of interleaved pairs with their 10th and 90th percentile;
TFLite runs on one thread.

    ./tools/demo && .venv/bin/python tools/bench_export.py          about five minutes
    .venv/bin/python tools/bench_export.py --networks=mobilenet     about two minutes

Run it on a machine that does nothing else.
"""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from tf_lottery import ExportError, bindings, export
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.cli.commands import load_recipe
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.find import chosen
from tf_lottery.training.data import Given

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", "runs/lenet_mnist_demo", "Of the LeNet ticket.")
flags.DEFINE_list("networks", "lenet,conv,mobilenet", "What is exported.")
flags.DEFINE_float("density", 0.036, "Of the Conv-6.", lower_bound=0, upper_bound=1)

RECIPE = Path(__file__).parents[1] / "recipes" / "lenet_mnist.py"
HEAD = (
    *("network", "format", "seconds", "bytes", "gzipped"),
    *("of dense", "rms", "accuracy", "latency"),
)
FORMATS: list[tuple[str, dict[str, Any]]] = [
    ("tflite", {}),
    ("tflite", {"drop_inputs": True}),
    ("tflite", {"sparse": "blocks"}),
    ("tflite", {"quantize": "float16"}),
    ("tflite", {"quantize": "dynamic"}),
    ("tflite", {"quantize": "int8"}),
    ("saved_model", {}),
    ("saved_model", {"layout": "dense"}),
    ("keras_file", {}),
]


def main(_: Any) -> None:
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    if "lenet" in FLAGS.networks:
        lenet = lenet_ticket(FLAGS.run_dir)
        for format, options in FORMATS:
            show("LeNet", format, options, lenet)
    if "conv" in FLAGS.networks:
        show_all("Conv-6", pruned(conv_6(), FLAGS.density), FORMATS, 32, 100)
    if "mobilenet" in FLAGS.networks:
        formats = [each for each in FORMATS if each[0] == "tflite"]
        show_all("MobileNetV2", pruned(mobilenet(), 0.2), formats, 96, 1_000)


def show_all(name: str, model: Any, formats: Any, pixels: int, examples: int) -> None:
    """Exports a network in all formats, on random images of so many pixels a side."""
    shape = (max(500, examples), pixels, pixels, 3)
    images = np.random.default_rng(0).normal(size=shape).astype("f4")
    for format, options in formats:
        if "drop_inputs" not in options:
            int8 = options.get("quantize") == "int8"
            more = {"representative_data": images[:500]} if int8 else {}
            show(name, format, {**options, **more}, model, data=images[:examples])


def lenet_ticket(run_dir: str) -> Any:
    """The ticket of a run directory, with its data."""
    ticket = chosen(RunDir(run_dir).history())
    recipe = load_recipe(str(RECIPE))
    assert ticket.plan is not None
    data = Given(bindings.default(), recipe.dataset).resolved(ticket.plan)
    return dataclasses.replace(ticket, data=data)


def conv_6() -> Any:
    """The paper's Conv-6."""
    keras.utils.set_random_seed(0)
    layers: list[Any] = [keras.Input((32, 32, 3))]
    for filters in (64, 128, 256):
        for _ in range(2):
            layers.append(
                keras.layers.Conv2D(filters, 3, padding="same", activation="relu")
            )
        layers.append(keras.layers.MaxPooling2D())
    layers.append(keras.layers.Flatten())
    for units in (256, 256):
        layers.append(keras.layers.Dense(units, activation="relu"))
    return keras.Sequential([*layers, keras.layers.Dense(10)])


def mobilenet() -> Any:
    """The network of phones, for small images."""
    keras.utils.set_random_seed(0)
    return keras.applications.MobileNetV2((96, 96, 3), 0.35, weights=None, classes=10)


def pruned(model: Any, density: float) -> Any:
    """The model with weights by chance, of which a fraction survives."""
    draw = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            kept = draw.random(weight.shape) < density
            # As large as training would make them, so that no layer fades away.
            weight.assign(np.where(kept, weight.numpy() / np.sqrt(density), 0))
    return model


def show(
    name: str, format: str, options: dict[str, Any], source: Any, **more: Any
) -> None:
    """Exports, and prints a row of a Markdown table."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "file.keras" if format == "keras_file" else "file")
        started = time.perf_counter()
        try:
            card = getattr(export, format)(source, path, verbose=0, **options, **more)
        except ExportError as error:
            print(f"| {name} | {words(format, options)} | {error} |")
            return
    seconds = time.perf_counter() - started
    size, dense = card.sizes["exported"], card.sizes["dense"]
    accuracy = card.check["accuracy"].get("file")
    timed, encoding = card.latency, card.format.get("encoding")
    cells = [
        name,
        words(format, options) + (f" ({encoding})" if encoding else ""),
        f"{seconds:.1f}",
        f"{size.raw:,}",
        f"{size.gz:,}",
        f"{size.raw / dense.raw:.1%}",
        f"{card.check['relative_difference']:.1g}",
        "" if accuracy is None else f"{accuracy:.2%}",
        f"{timed['ratio']:.2f} ({timed['ratio_low']:.2f} to {timed['ratio_high']:.2f})",
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


def words(format: str, options: dict[str, Any]) -> str:
    """The format and its options."""
    given = (f"{k}={v}" for k, v in options.items() if k != "representative_data")
    return " ".join([format, *given])


if __name__ == "__main__":
    app.run(main)
