"""Networks of keras.applications, at a small input and without downloads."""

import keras
import numpy as np
import pytest

from tests.bindings.keras3.models import BACKEND
from tests.bindings.keras3.watching import Watch, searched
from tf_lottery import Plan

APPLICATIONS = ["MobileNetV3Small", "ResNet50", "EfficientNetV2B0", "ConvNeXtTiny"]
PLAN = Plan(rounds=1, steps=2, batch_size=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS if BACKEND == "jax" else APPLICATIONS[:1])
def test_a_network_of_keras_is_searched(name):
    make = getattr(keras.applications, name)
    model = make(
        weights=None, input_shape=(32, 32, 3), classes=3, classifier_activation=None
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), loss)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 32, 32, 3)).astype("float32"), rng.integers(0, 3, 8)
    watch = Watch()
    more = {"validation_data": None, "callbacks": [watch]}
    trainer, rounds = searched(model, PLAN, (x, y), **more)
    assert watch.looks == 4
    assert watch.leaks == watch.stained == 0
    assert trainer.traces <= 1
    assert rounds[1].ticket.density == pytest.approx(0.8, abs=0.001)
    assert trainer._prepared.file_lacks == ""
