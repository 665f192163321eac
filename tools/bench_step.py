"""Measures what masks cost in a training step.

    .venv/bin/python tools/bench_step.py                       about seven minutes
    .venv/bin/python tools/bench_step.py --models=lenet --output=step.json
    .venv/bin/python tools/bench_step.py --filters=64 --dense=256    the paper's Conv-2
    .venv/bin/python tools/bench_step.py --binding=keras3 --backend=jax

With tf_keras, masked training is compared with dense training and with tfmot's, see
`_step_tf_keras.py`; with Keras 3, with the backend's own `fit`, see `_step_keras3.py`.
Run it on a machine that does nothing else, and each backend in a process of its own.
"""

import importlib
import os
from typing import Any

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_enum("binding", "tf_keras", ["tf_keras", "keras3"], "Which Keras to time.")
flags.DEFINE_enum(
    "backend", "tensorflow", ["tensorflow", "jax", "torch"], "Of Keras 3."
)
flags.DEFINE_multi_enum("models", ["lenet", "conv"], ["lenet", "conv"], "What to time.")
flags.DEFINE_integer("lenet_chunks", 90, "Chunks of each LeNet.", lower_bound=2)
flags.DEFINE_integer("conv_chunks", 30, "Chunks of each Conv-2.", lower_bound=2)
flags.DEFINE_integer("filters", 16, "Of Conv-2's two convolutions; the paper has 64.")
flags.DEFINE_integer("dense", 256, "Units of Conv-2's two dense layers; the paper's.")
flags.DEFINE_float("density", 0.2, "Of the masks.", 0.0, 1.0)
flags.DEFINE_integer("frequency", 10, "Steps between two rankings of tfmot, live.")
flags.DEFINE_integer("seed", 0, "Of data, weights and order.")
flags.DEFINE_string("output", None, "Where to write the results as JSON.")


def main(_: Any) -> None:
    if FLAGS.binding == "keras3":
        os.environ["KERAS_BACKEND"] = FLAGS.backend
    importlib.import_module(f"_step_{FLAGS.binding}").main()


if __name__ == "__main__":
    app.run(main)
