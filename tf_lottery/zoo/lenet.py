"""LeNet-300-100: two hidden layers on MNIST, the paper's smallest network."""

from tf_lottery._keras import keras


def lenet_300_100(learning_rate: float = 1.2e-3) -> keras.Model:
    """Returns a compiled LeNet-300-100 with 266,200 prunable weights.

    The paper's "Gaussian Glorot" is Keras' `glorot_normal`: a normal truncated at
    two standard deviations and widened to make up for it. The authors' code has
    TensorFlow 1's truncated normal too, whose deviation is 0.3 percent larger.

    Args:
        learning_rate: Of Adam. The paper selects 1.2e-3.

    Returns:
        A model from 28x28x1 images to ten logits. Its layers are `dense_300`,
        `dense_100` and `logits`; the paper prunes `logits` at half the rate.
    """
    model = keras.Sequential(
        [
            keras.layers.Flatten(input_shape=(28, 28, 1), name="flatten"),
            _dense(300, "dense_300", activation="relu"),
            _dense(100, "dense_100", activation="relu"),
            _dense(10, "logits"),
        ],
        name="lenet_300_100",
    )
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def _dense(units: int, name: str, activation: str | None = None) -> keras.layers.Dense:
    return keras.layers.Dense(
        units, activation=activation, kernel_initializer="glorot_normal", name=name
    )
