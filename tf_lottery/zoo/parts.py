"""What the paper's networks have in common."""

from typing import Any

from tf_lottery.zoo._frameworks import keras

# The paper's "Gaussian Glorot". In Keras it is a normal distribution that is truncated
# at two standard deviations and scaled to the same variance. The authors' code, for
# TensorFlow 1, truncates too; there the deviation is 0.3 percent larger.
INITIALIZER = "glorot_normal"


def named(name: str) -> str:
    """The name of a layer, in which Keras 3 allows no slash."""
    return name if keras.__name__ == "tf_keras" else name.replace("/", "_")


def dense(units: int, name: str, **arguments: Any) -> keras.layers.Dense:
    """A dense layer."""
    return keras.layers.Dense(
        units, kernel_initializer=INITIALIZER, name=name, **arguments
    )


def logits(**arguments: Any) -> keras.layers.Dense:
    """Ten outputs, in float32 under any dtype policy."""
    return dense(10, "logits", dtype="float32", **arguments)


def conv(filters: int, name: str, **arguments: Any) -> keras.layers.Conv2D:
    """A convolution that keeps the size of its input."""
    return keras.layers.Conv2D(
        filters,
        padding="same",
        kernel_initializer=INITIALIZER,
        name=named(name),
        **{"kernel_size": 3, **arguments},
    )


def decay(rate: float) -> keras.regularizers.Regularizer | None:
    """Weight decay: a penalty whose gradient is `rate` times the weight.

    Keras adds it to `loss` and `val_loss`.
    """
    return keras.regularizers.L2(rate / 2) if rate else None


def compiled(model: keras.Model, optimizer: Any) -> keras.Model:
    """The model, compiled for classification."""
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
