"""The Keras whose models these tests compact: tf_keras, or Keras 3 on a backend."""

import os

BACKEND = os.environ.get("TESTED_BACKEND")  # see `backends_test`
KERAS3 = bool(BACKEND)
if KERAS3:
    from tf_lottery.bindings.keras3._imports import keras
    from tf_lottery.bindings.keras3.exporting import graph
    from tf_lottery.bindings.keras3.exporting.network import Network
else:
    from tf_lottery.bindings.tf_keras._imports import keras
    from tf_lottery.bindings.tf_keras.exporting import graph
    from tf_lottery.bindings.tf_keras.exporting.network import Network

layers = keras.layers


def compact(model, *, drop_inputs=False):
    """As `tf_lottery.export.compact`, which imports TensorFlow."""
    return Network(model).compacted(drop_inputs)


def outputs_of(model, inputs):
    """The outputs in inference mode, a list of arrays."""
    found = model(inputs, training=False)
    found = found if isinstance(found, list | tuple | dict) else [found]
    parts = found.values() if isinstance(found, dict) else found
    return [graph.array(part) for part in parts]


def input_of(model):
    """The symbolic inputs in the structure that the model takes."""
    return graph.graph_of(model)._inputs_struct if KERAS3 else model.input
