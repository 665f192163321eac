"""The network is the paper's: its sizes, its initial weights, its optimizer."""

import numpy as np
import pytest

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.zoo import lenet


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return lenet.lenet_300_100()


def kernels(model):
    return {layer.name: layer.kernel for layer in model.layers if layer.weights}


def test_the_kernels_have_266200_weights_in_the_layers_that_recipes_name(model):
    sizes = {name: int(np.prod(k.shape)) for name, k in kernels(model).items()}
    assert sizes == {"dense_300": 235_200, "dense_100": 30_000, "logits": 1_000}
    assert sum(sizes.values()) == 266_200


def test_the_initial_weights_are_gaussian_glorot(model):
    for kernel in kernels(model).values():
        weights = kernel.numpy().ravel()
        deviation = np.sqrt(2 / sum(kernel.shape))
        assert abs(weights.mean()) < 4 * deviation / np.sqrt(weights.size)
        assert weights.std() == pytest.approx(deviation, rel=0.1)
        # Not uniform: a uniform distribution ends at 1.73 deviations.
        assert 2 * deviation < np.abs(weights).max() < 2.28 * deviation


def test_the_biases_are_zero(model):
    assert all(not layer.bias.numpy().any() for layer in model.layers if layer.weights)


def test_no_two_models_start_from_the_same_weights(model):
    other = kernels(lenet.lenet_300_100())
    assert all(
        (other[name] != kernel).numpy().any() for name, kernel in kernels(model).items()
    )


def test_it_is_compiled_as_in_the_paper(model):
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(1.2e-3)
    assert float(lenet.lenet_300_100(1e-4).optimizer.learning_rate) == pytest.approx(
        1e-4
    )
    assert model.loss.get_config()["from_logits"]


def test_it_takes_images_and_gives_ten_logits(model):
    images, labels = np.zeros((5, 28, 28, 1), np.float32), np.arange(5)
    assert model(images).shape == (5, 10)
    assert set(model.evaluate(images, labels, verbose=0, return_dict=True)) == {
        "loss",
        "accuracy",
    }
