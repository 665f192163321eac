"""VGG-19 of the paper, for CIFAR-10: sixteen convolutions and one dense layer."""

from typing import Any

from tf_lottery.zoo._frameworks import keras
from tf_lottery.zoo.parts import compiled, conv, decay, logits, named

# How many filters and convolutions each stage has.
_STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))


def vgg_19(
    learning_rate: Any = 0.1, momentum: float = 0.9, weight_decay: float = 1e-4
) -> keras.Model:
    """Returns a compiled VGG-19 with 20,024,000 prunable weights.

    As in the paper, the dense layers of the original are replaced by average pooling,
    and each convolution has batch normalization.

    Args:
        learning_rate, momentum, weight_decay: See `resnet_18`.

    Returns:
        A model from 32x32x3 images to ten logits. Its layers are `stage_1/conv_1` and
        so on, and `logits`, which the paper does not prune.

    Reference: Simonyan & Zisserman, arXiv 1409.1556; Liu et al., arXiv 1810.05270.
    """
    regularizer = decay(weight_decay)
    layers: list[keras.layers.Layer] = [keras.Input((32, 32, 3), name="images")]
    for stage, (filters, number) in enumerate(_STAGES, start=1):
        for index in range(1, number + 1):
            name = f"stage_{stage}/conv_{index}"
            layers += [
                conv(filters, name, use_bias=False, kernel_regularizer=regularizer),
                keras.layers.BatchNormalization(name=named(f"{name}_norm")),
                keras.layers.ReLU(name=named(f"{name}_relu")),
            ]
        if stage < len(_STAGES):
            layers.append(keras.layers.MaxPooling2D(name=named(f"stage_{stage}/pool")))
    layers += [
        keras.layers.GlobalAveragePooling2D(name="pool"),
        logits(kernel_regularizer=regularizer),
    ]
    model = keras.Sequential(layers, name="vgg_19")
    return compiled(model, keras.optimizers.SGD(learning_rate, momentum))
