"""Small Keras 3 models and data, for tests of one backend."""

import random

import keras
import numpy as np

FEATURES, CLASSES = 16, 4
BACKEND = keras.backend.backend()
layers = keras.layers


def arrays(size=96, seed=0):
    """Features, and the class that a linear rule gives them."""
    rule = np.random.default_rng(99).normal(size=(FEATURES, CLASSES))
    x = np.random.default_rng(seed).normal(size=(size, FEATURES)).astype("float32")
    return x, (x @ rule).argmax(1)


def compiled(model, optimizer=None, **more):
    """The model, compiled for class numbers."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimizer or keras.optimizers.Adam(0.01)
    model.compile(optimizer, **{"loss": loss, "metrics": ["accuracy"], **more})
    return model


def tiny():
    """Two layers, uncompiled."""
    hidden = layers.Dense(32, activation="relu", name="hidden")
    return keras.Sequential(
        [keras.Input((FEATURES,)), hidden, layers.Dense(CLASSES, name="logits")]
    )


def with_state(**more):
    """A compiled model with statistics and random numbers."""
    random.seed(0)  # what Keras draws from; its own function imports TensorFlow
    inside = [
        keras.Input((FEATURES,)),
        layers.Dense(32, activation="relu", name="hidden"),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.Dense(CLASSES, name="logits"),
    ]
    return compiled(keras.Sequential(inside), **more)


def weights_of(model):
    """All variables of a model, as arrays."""
    return [np.array(variable.numpy()) for variable in model.variables]


def equal(one, other):
    """Whether two lists or dicts of arrays hold the same bits."""
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return False
        one, other = list(one.values()), [other[name] for name in one]
    return len(one) == len(other) and all(
        np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in zip(one, other, strict=True)
    )
