"""LeNet-300-100: two hidden layers on MNIST, the paper's smallest network."""

from tf_lottery.zoo._frameworks import keras
from tf_lottery.zoo.parts import compiled, dense, logits


def lenet_300_100(learning_rate: float = 1.2e-3) -> keras.Model:
    """Returns a compiled LeNet-300-100 with 266,200 prunable weights.

    Args:
        learning_rate: The learning rate of Adam. The paper selects 1.2e-3.

    Returns:
        A model from 28x28x1 images to ten logits. Its layers are `dense_300`,
        `dense_100` and `logits`; the paper prunes `logits` at half the rate.
    """
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1), name="images"),
            keras.layers.Flatten(name="flatten"),
            dense(300, "dense_300", activation="relu"),
            dense(100, "dense_100", activation="relu"),
            logits(),
        ],
        name="lenet_300_100",
    )
    return compiled(model, keras.optimizers.Adam(learning_rate))
