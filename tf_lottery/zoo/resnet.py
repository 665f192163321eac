"""ResNet-18 of the paper: the 20-layer residual network for CIFAR-10."""

from typing import Any

from tf_lottery.zoo._frameworks import keras
from tf_lottery.zoo.parts import compiled, conv, decay, logits, named

_FILTERS = (16, 32, 64)
_BLOCKS = 3  # per stage


def resnet_18(
    learning_rate: Any = 0.1, momentum: float = 0.9, weight_decay: float = 1e-4
) -> keras.Model:
    """Returns a compiled ResNet-18 with 270,896 prunable weights.

    The paper calls it ResNet-18 and describes the network of He et al. (2015) with 20
    layers: a convolution of 16 filters, three stages of three blocks of two
    convolutions with 16, 32 and 64 filters, each with batch normalization, average
    pooling, and ten outputs. Where a stage begins, a 1x1 convolution is the shortcut.

    Args:
        learning_rate: A number or a schedule such as `StepDecay`.
        momentum, weight_decay: Of SGD, and of the kernels.

    Returns:
        A model from 32x32x3 images to ten logits. Its layers are `conv`,
        `stage_1/block_1/conv_1` and so on, `stage_2/block_1/shortcut`,
        `stage_3/block_1/shortcut` and `logits`; the paper prunes neither shortcuts
        nor logits.

    Reference: He et al., arXiv 1512.03385, section 4.2.
    """
    regularizer = decay(weight_decay)
    images = keras.Input((32, 32, 3), name="images")
    x = _normed(images, _FILTERS[0], "conv", regularizer)
    x = keras.layers.ReLU(name="relu")(x)
    for number, filters in enumerate(_FILTERS, start=1):
        for block in range(1, _BLOCKS + 1):
            stride = 2 if number > 1 and block == 1 else 1
            name = f"stage_{number}/block_{block}"
            x = _block(x, filters, stride, name, regularizer)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = logits(kernel_regularizer=regularizer)(x)
    model = keras.Model(images, x, name="resnet_18")
    return compiled(model, keras.optimizers.SGD(learning_rate, momentum))


def _block(x: Any, filters: int, stride: int, name: str, regularizer: Any) -> Any:
    """Two convolutions, added to their input or its shortcut."""
    y = _normed(x, filters, f"{name}/conv_1", regularizer, strides=stride)
    y = keras.layers.ReLU(name=named(f"{name}/relu_1"))(y)
    y = _normed(y, filters, f"{name}/conv_2", regularizer)
    if stride > 1:
        options = {"strides": stride, "kernel_size": 1}
        x = _normed(x, filters, f"{name}/shortcut", regularizer, **options)
    x = keras.layers.Add(name=named(f"{name}/add"))([x, y])
    return keras.layers.ReLU(name=named(f"{name}/relu_2"))(x)


def _normed(x: Any, filters: int, name: str, regularizer: Any, **options: Any) -> Any:
    """A convolution and batch normalization."""
    options |= {"use_bias": False, "kernel_regularizer": regularizer}
    x = conv(filters, name, **options)(x)
    return keras.layers.BatchNormalization(name=named(f"{name}_norm"))(x)
