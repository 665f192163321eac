"""Models of KerasHub, small and drawn at random."""

import keras
import numpy as np
import pytest

from tests.bindings.keras3.models import CLASSES, FEATURES, arrays, compiled, layers
from tests.bindings.keras3.watching import Watch, searched
from tf_lottery import Plan, Trainer

PLAN = Plan(rounds=1, steps=2, batch_size=4)


def text_classifier(hub):
    backbone = hub.models.BertBackbone(
        vocabulary_size=30,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=6,
    )
    ids = np.random.default_rng(0).integers(0, 30, (8, 6))
    ones = np.ones((8, 6), "int32")
    x = {"token_ids": ids, "segment_ids": 0 * ones, "padding_mask": ones}
    return hub.models.BertTextClassifier(backbone, CLASSES, preprocessor=None), x


def vision_transformer(hub):
    backbone = hub.models.ViTBackbone(
        image_shape=(16, 16, 3),
        patch_size=(8, 8),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    )
    x = np.random.default_rng(0).normal(size=(8, 16, 16, 3)).astype("float32")
    return hub.models.ViTImageClassifier(backbone, CLASSES, preprocessor=None), x


@pytest.mark.slow
@pytest.mark.parametrize("make", [text_classifier, vision_transformer])
def test_a_model_of_keras_hub_is_searched(make):
    model, x = make(pytest.importorskip("keras_hub"))
    watch, y = Watch(), np.arange(8) % CLASSES
    more = {"validation_data": None, "callbacks": [watch]}
    trainer, rounds = searched(compiled(model), PLAN, (x, y), **more)
    assert watch.looks == 4
    assert watch.leaks == watch.stained == 0
    assert trainer.traces <= 1
    assert rounds[1].ticket.density == pytest.approx(0.8, abs=0.02)


class OfHub(keras.Sequential):
    """Has a `fit` that preprocesses, as models of KerasHub."""

    preprocessor = None

    def fit(self, *args, **kwargs):
        return super().fit(*args, **kwargs)

    fit.__module__ = "keras_hub.src.utils.pipeline_model"


def test_a_model_of_keras_hub_needs_data_that_are_preprocessed():
    model = compiled(OfHub([keras.Input((FEATURES,)), layers.Dense(CLASSES)]))
    Trainer(model, arrays(), PLAN)
    model.preprocessor = object()
    with pytest.raises(ValueError, match=r"does not preprocess .* `preprocessor=None`"):
        Trainer(model, arrays(), PLAN)
