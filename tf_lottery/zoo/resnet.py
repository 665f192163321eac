"""ResNet-18 of the paper: the 20-layer residual network for CIFAR-10."""

from typing import Any

from tf_lottery.zoo._frameworks import keras
from tf_lottery.zoo.parts import compiled, conv, decay, logits

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
        learning_rate: A number or a schedule such as `StepDecay`, for SGD.
        momentum: The momentum of SGD.
        weight_decay: The weight decay of the kernels.

    Returns:
        A model from 32x32x3 images to ten logits. Its layers are `conv`,
        `stage_1/block_1/conv_1` and so on, `stage_2/block_1/shortcut`,
        `stage_3/block_1/shortcut` and `logits`; the paper prunes neither shortcuts
        nor logits.

    Reference: He et al., arXiv 1512.03385, section 4.2.
    """
    make = _Maker(weight_decay)
    images = keras.Input((32, 32, 3), name="images")
    x = make.relu(make.conv(images, _FILTERS[0], "conv"), "relu")
    for number, filters in enumerate(_FILTERS, start=1):
        for block in range(1, _BLOCKS + 1):
            stride = 2 if number > 1 and block == 1 else 1
            x = make.block(x, filters, stride, f"stage_{number}/block_{block}")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = logits(kernel_regularizer=decay(weight_decay))(x)
    model = keras.Model(images, x, name="resnet_18")
    return compiled(model, keras.optimizers.SGD(learning_rate, momentum))


class _Maker:
    """Makes the parts of a residual network.

    Args:
        weight_decay: The weight decay of the kernels.
    """

    def __init__(self, weight_decay: float) -> None:
        self._regularizer = decay(weight_decay)

    def block(self, x: Any, filters: int, stride: int, name: str) -> Any:
        """Two convolutions, added to their input or its shortcut."""
        y = self.relu(
            self.conv(x, filters, f"{name}/conv_1", strides=stride), f"{name}/relu_1"
        )
        y = self.conv(y, filters, f"{name}/conv_2")
        if stride > 1:
            x = self.conv(x, filters, f"{name}/shortcut", strides=stride, kernel_size=1)
        x = keras.layers.Add(name=f"{name}/add")([x, y])
        return self.relu(x, f"{name}/relu_2")

    def conv(self, x: Any, filters: int, name: str, **arguments: Any) -> Any:
        """A convolution and batch normalization."""
        x = conv(
            filters,
            name,
            use_bias=False,
            kernel_regularizer=self._regularizer,
            **arguments,
        )(x)
        return keras.layers.BatchNormalization(name=f"{name}_norm")(x)

    def relu(self, x: Any, name: str) -> Any:
        return keras.layers.ReLU(name=name)(x)
