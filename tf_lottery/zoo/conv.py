"""Conv-2, Conv-4 and Conv-6: scaled-down VGG networks on CIFAR-10."""

from tf_lottery.zoo._frameworks import keras
from tf_lottery.zoo.parts import compiled, conv, dense, logits

# The paper's learning rates by the number of convolutions, without and with dropout.
_RATES = {2: (2e-4, 3e-4), 4: (3e-4, 2e-4), 6: (3e-4, 2e-4)}


def conv_2(learning_rate: float | None = None, *, dropout: bool = False) -> keras.Model:
    """Returns a compiled Conv-2 with 4,300,992 prunable weights; see `conv_6`."""
    return _conv(2, learning_rate, dropout)


def conv_4(learning_rate: float | None = None, *, dropout: bool = False) -> keras.Model:
    """Returns a compiled Conv-4 with 2,425,024 prunable weights; see `conv_6`."""
    return _conv(4, learning_rate, dropout)


def conv_6(learning_rate: float | None = None, *, dropout: bool = False) -> keras.Model:
    """Returns a compiled Conv-6 with 2,261,184 prunable weights.

    The layers are those of the paper. It prints 1.7 M weights for Conv-6, which is not
    the sum of these layers; its numbers for Conv-2 and Conv-4 are.

    Args:
        learning_rate: The learning rate of Adam. Default: the paper's (2e-4 for Conv-2,
            3e-4 for the others; with dropout 3e-4 for Conv-2, 2e-4 for the others).
        dropout: Whether half of the units of both hidden dense layers are dropped.
            The paper states the rate of 0.5, but not where; this is the usual place.

    Returns:
        A model from 32x32x3 images to ten logits. Its layers are `conv_1` and so on,
        `fc_1`, `fc_2` and `logits`.
    """
    return _conv(6, learning_rate, dropout)


def _conv(number: int, learning_rate: float | None, dropout: bool) -> keras.Model:
    layers: list[keras.layers.Layer] = [keras.Input((32, 32, 3), name="images")]
    for index in range(number):
        filters = 64 * 2 ** (index // 2)
        layers.append(conv(filters, f"conv_{index + 1}", activation="relu"))
        if index % 2:
            layers.append(keras.layers.MaxPooling2D(name=f"pool_{index // 2 + 1}"))
    layers.append(keras.layers.Flatten(name="flatten"))
    for index in (1, 2):
        layers.append(dense(256, f"fc_{index}", activation="relu"))
        if dropout:
            layers.append(keras.layers.Dropout(0.5, name=f"dropout_{index}"))
    layers.append(logits())
    model = keras.Sequential(layers, name=f"conv_{number}")
    rate = _RATES[number][dropout] if learning_rate is None else learning_rate
    return compiled(model, keras.optimizers.Adam(rate))
