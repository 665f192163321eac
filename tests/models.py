"""Small models, data and a watcher for the tests that need Keras."""

import contextlib
import gzip
import os
from pathlib import Path

import numpy as np

from tf_lottery.bindings.tf_keras import devices
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.tfmot.wrap import mask_variables

layers = keras.layers
MNIST = Path(__file__).parents[1] / "recipes" / "data" / "mnist"

REPLICAS = int(os.environ.get("TF_LOTTERY_TEST_REPLICAS", "2"))

# Before TensorFlow runs anything, which is why it is done where a test is collected.
with contextlib.suppress(RuntimeError):
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * REPLICAS,
    )

FEATURES, CLASSES, EXAMPLES, BATCH = 8, 3, 96, 16
STEPS = EXAMPLES // BATCH  # an epoch's


def arrays(examples=EXAMPLES, seed=0):
    """Features and labels that a small model can learn something of."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((examples, FEATURES)).astype(np.float32)
    return x, (x[:, :CLASSES] + 0.3 * x[:, CLASSES : 2 * CLASSES]).argmax(1)


def batches(examples=EXAMPLES, seed=0):
    """The same as a dataset, always in the same order."""
    return tf.data.Dataset.from_tensor_slices(arrays(examples, seed)).batch(BATCH)


def images(examples):
    """Real ones: the first test images of MNIST, of the recipe's archive."""
    with gzip.open(MNIST / "t10k-images-idx3-ubyte.gz") as file:
        raw = np.frombuffer(file.read(16 + 784 * examples), np.uint8, offset=16)
    return (raw.reshape(-1, 28, 28, 1) / 255).astype(np.float32)


def tiny():
    """Two dense layers, not compiled."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((FEATURES,), name="features"),
            layers.Dense(5, activation="relu", name="hidden"),
            layers.Dense(CLASSES, name="logits"),
        ],
        name="tiny",
    )


def with_state(dropout=0.3):
    """BatchNorm and Dropout between two dense layers, not compiled."""
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((FEATURES,), name="features"),
            layers.Dense(6, activation="relu", name="hidden"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(dropout, name="drop"),
            layers.Dense(CLASSES, name="logits"),
        ],
        name="with_state",
    )


def unseeded(dropout=0.3):
    """Dropout between two dense layers, compiled, under the seed of the replicate.

    The other models set a seed themselves.
    """
    hidden = layers.Dense(6, activation="relu", name="hidden")
    logits = layers.Dense(CLASSES, name="logits")
    inner = [hidden, layers.Dropout(dropout, name="drop"), logits]
    return compiled(keras.Sequential([keras.Input((FEATURES,)), *inner]))


def bfloat16():
    keras.utils.set_random_seed(1)
    policy = keras.mixed_precision.Policy("mixed_bfloat16")
    return keras.Sequential(
        [
            keras.Input((FEATURES,), name="features"),
            layers.Dense(6, activation="relu", name="hidden", dtype=policy),
            layers.Dense(CLASSES, name="logits", dtype=policy),
            layers.Activation("linear", dtype="float32"),
        ]
    )


def compiled(model, optimizer=None, **arguments):
    """The model, compiled to classify."""
    model.compile(
        optimizer or keras.optimizers.Adam(0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **{"metrics": ["accuracy"], **arguments},
    )
    return model


class Watch(keras.callbacks.Callback):
    """Counts pruned weights that are not +0 after a call of the train function.

    On every replica; and the replicas whose masks are not those of the first.
    """

    def __init__(self):
        super().__init__()
        self.leaks, self.dead, self.calls, self.differing = 0, 0, 0, 0

    def on_train_batch_end(self, batch, logs=None):
        masks = mask_variables(self.model)
        for weight in self.model.trainable_variables:
            for mask in masks.get(weight.ref(), ()):
                first = parts(mask)[0] == 1
                for kept, held in zip(parts(mask), parts(weight), strict=True):
                    kept = kept == 1
                    removed = held[~kept].astype(np.float32)
                    self.leaks += int(np.count_nonzero(removed.view(np.uint32)))
                    self.dead += int(np.count_nonzero(held[kept] == 0))
                    self.differing += int((kept != first).any())
                    self.calls += 1


def parts(variable):
    """What each replica of this process holds of a variable."""
    return [v.numpy() for v in getattr(variable, "values", None) or [variable]]


def mirrored():
    """The strategy over all GPUs, or all logical CPUs; a process bears only one."""
    return devices("mirrored", None).strategy


def equal(mine, theirs):
    """Whether two mappings hold the same arrays, bit for bit."""
    return mine.keys() == theirs.keys() and all(
        np.asarray(mine[name]).tobytes() == np.asarray(theirs[name]).tobytes()
        and np.shape(mine[name]) == np.shape(theirs[name])
        for name in mine
    )
