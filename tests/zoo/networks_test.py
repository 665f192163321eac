"""The convolutional networks are the paper's, layer by layer."""

import numpy as np
import pytest

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.zoo import conv, lenet, resnet, vgg

MAKE = {
    "conv_2": conv.conv_2,
    "conv_4": conv.conv_4,
    "conv_6": conv.conv_6,
    "resnet_18": resnet.resnet_18,
    "vgg_19": vgg.vgg_19,
}
# All kernels, those of convolutions, and the sizes that the paper prints.
SIZES = {
    "conv_2": (4_300_992, 38_592, 4.3e6, 38e3),
    "conv_4": (2_425_024, 259_776, 2.4e6, 260e3),
    "conv_6": (2_261_184, 1_144_512, 2.26e6, 1.14e6),  # counted; it prints 1.7 and 1.1
    "resnet_18": (270_896, 270_256, 274e3, 270e3),
    "vgg_19": (20_024_000, 20_018_880, 20.0e6, 20.0e6),
}
CONVOLUTIONS = {"conv_2": 2, "conv_4": 4, "conv_6": 6, "resnet_18": 21, "vgg_19": 16}


@pytest.fixture(scope="module", params=MAKE)
def model(request):
    keras.utils.set_random_seed(0)
    return MAKE[request.param]()


def of(model, kind=(keras.layers.Conv2D, keras.layers.Dense)):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def size(layers):
    return sum(int(np.prod(layer.kernel.shape)) for layer in layers)


def test_it_has_the_weights_that_the_paper_prints(model):
    everything, convolutions, printed, printed_convolutions = SIZES[model.name]
    found = of(model), of(model, keras.layers.Conv2D)
    assert tuple(map(size, found)) == (everything, convolutions)
    assert everything == pytest.approx(printed, rel=0.015)
    assert convolutions == pytest.approx(printed_convolutions, rel=0.02)
    assert len(found[1]) == CONVOLUTIONS[model.name]


def test_kernels_are_gaussian_glorot_and_biases_zero(model):
    for layer in of(model):
        kernel = layer.kernel.numpy()
        field = int(np.prod(kernel.shape[:-2]))
        deviation = np.sqrt(2 / (field * sum(kernel.shape[-2:])))
        assert kernel.std() == pytest.approx(deviation, rel=0.12), layer.name
        if kernel.size > 1_000:  # not uniform, which ends at 1.73 deviations
            assert 1.9 < np.abs(kernel).max() / deviation < 2.28
        assert not layer.use_bias or not layer.bias.numpy().any()


def test_it_is_trained_as_the_paper_does(model):
    assert model.loss.get_config()["from_logits"]
    optimizer = model.optimizer.get_config()
    decays = {
        layer.name: round(2 * float(layer.kernel_regularizer.l2), 9)
        for layer in of(model)
        if layer.kernel_regularizer
    }
    if model.name.startswith("conv"):
        assert isinstance(model.optimizer, keras.optimizers.Adam)
        assert not decays
    else:
        assert isinstance(model.optimizer, keras.optimizers.SGD)
        assert (optimizer["momentum"], optimizer["nesterov"]) == (0.9, False)
        assert set(decays.values()) == {1e-4}
        assert len(decays) == len(of(model))
        norms = of(model, keras.layers.BatchNormalization)
        assert len(norms) == CONVOLUTIONS[model.name]


def test_it_takes_images_and_gives_ten_logits(model):
    assert model(np.zeros((2, 32, 32, 3), np.float32)).shape == (2, 10)
    assert model.get_layer("logits").compute_dtype == "float32"


@pytest.mark.parametrize("number", [2, 4, 6])
def test_with_dropout_half_of_the_hidden_dense_units_are_dropped(number):
    made = getattr(conv, f"conv_{number}")(dropout=True)
    names = [layer.name for layer in made.layers]
    for index in (1, 2):
        dropout = made.get_layer(f"dropout_{index}")
        assert dropout.rate == 0.5
        assert names.index(dropout.name) == names.index(f"fc_{index}") + 1


def test_resnets_blocks_add_what_they_are_given_and_two_convolutions():
    made = resnet.resnet_18()
    filters = [layer.filters for layer in of(made, keras.layers.Conv2D)]
    assert sorted(filters) == [16] * 7 + [32] * 7 + [64] * 7
    shortcuts = [layer for layer in made.layers if layer.name.endswith("/shortcut")]
    assert {layer.name: layer.kernel.shape for layer in shortcuts} == {
        "stage_2/block_1/shortcut": (1, 1, 16, 32),
        "stage_3/block_1/shortcut": (1, 1, 32, 64),
    }
    assert made.get_layer("pool").input_shape == (None, 8, 8, 64)
    sums = of(made, keras.layers.Add)
    assert len(sums) == 9
    plain = made.get_layer("stage_1/block_1/add").input
    assert plain[0].name.startswith("relu/")


def test_vggs_stages_end_in_pooling():
    made = vgg.vgg_19()
    filters = [layer.filters for layer in of(made, keras.layers.Conv2D)]
    assert filters == [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    assert len(of(made, keras.layers.MaxPooling2D)) == 4
    assert made.get_layer("pool").input_shape == (None, 2, 2, 512)


@pytest.mark.parametrize("make", [lenet.lenet_300_100, conv.conv_2, vgg.vgg_19])
def test_the_outputs_stay_in_float32_under_a_mixed_policy(make, global_policy):
    global_policy("mixed_bfloat16")
    made = make()
    assert made.get_layer("logits").compute_dtype == "float32"
    assert made.layers[1].compute_dtype == "bfloat16"
