"""Networks and tickets to export, and their export in each format of Keras."""

import numpy as np
import pytest

from tests.models import arrays, compiled, keras, layers, tf
from tf_lottery import Ticket, export, find_ticket
from tf_lottery.export.running import keras_model
from tf_lottery.export.sample import random
from tf_lottery.export.tensorflow.runtime import SIGNATURE

X, _ = TEST = arrays(48, 2)
QUIET = {"latency_runs": 0, "verbose": 0}
# Of TFLite: the file with all weights alone, as each other takes seconds to make.
ONE_FILE = {"compact": False, "sparse": False, **QUIET}
FORMATS = {
    "packed": {"format": "saved_model"},
    "dense": {"format": "saved_model", "layout": "dense"},
    "keras": {"format": "keras"},
}
PATHS = {"packed": "ticket", "dense": "ticket", "keras": "ticket.keras"}
each_format = pytest.mark.parametrize("format", FORMATS)


def search(model, **arguments):
    given = {"rounds": 2, "epochs": 3, "batch_size": 16, "verbose": 0} | arguments
    return find_ticket(compiled(model), arrays(), **given)


def exported(source, path, format, **options):
    path = path / PATHS[format]
    options = FORMATS[format] | QUIET | options
    if isinstance(source, Ticket):
        return path, source.export(path, **options)
    write = export.keras_file if options.pop("format") == "keras" else None
    return path, (write or export.saved_model)(source, path, **options)


def run(path, x):
    """The outputs of what was written, by Keras or by plain TensorFlow."""
    if path.suffix == ".keras":
        return keras.models.load_model(path, compile=False)(x).numpy()
    serve = tf.saved_model.load(str(path)).signatures[SIGNATURE]
    (found,) = serve(
        **{name: tf.constant(x) for name in argument_specs(serve)}
    ).values()
    return found.numpy()


def argument_specs(serve):
    return serve.structured_input_signature[1]


def sparsified(model, density=0.05, block=1, seed=0):
    """The model with some of its weights, in blocks of so many inputs of a unit."""
    draw = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        values = weight.numpy()
        if values.ndim > 1:
            rows, *others = values.shape
            blocks = rows % block == 0
            kept = draw.random((rows // block if blocks else rows, *others)) < density
            values *= kept.repeat(block, 0) if blocks else kept
        else:
            values = draw.normal(scale=0.1, size=values.shape)
        weight.assign(values)
    return model


def dense_network(inputs=64, units=(48, 32), outputs=10):
    keras.utils.set_random_seed(5)
    hidden = [layers.Dense(n, activation="relu", name=f"dense_{n}") for n in units]
    return keras.Sequential(
        [
            keras.Input((inputs,), name="x"),
            *hidden,
            layers.Dense(outputs, name="logits"),
        ]
    )


def inputs(model, size=50):
    return list(random(model, size).inputs)


def wanted(model, x):
    return keras_model(model).predict(x)


def contents(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }
