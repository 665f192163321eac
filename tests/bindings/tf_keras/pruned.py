"""Small models of one kind of layer each, trained with masks through the trainer.

A layer that is found but does not hold its mask, or breaks the model, shows.
"""

import numpy as np

from tests.models import CLASSES, Watch, keras, layers
from tf_lottery.core.plan import Plan
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.trainer import Trainer


def rng():
    return np.random.default_rng(0)


def vectors(n=32, size=6):
    return rng().standard_normal((n, size)).astype(np.float32)


def classes(n=32):
    return rng().integers(0, CLASSES, n)


def classifier(inputs, features):
    model = keras.Model(inputs, layers.Dense(CLASSES, name="logits")(features))
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def trained(model, data, **plan):
    """The trainer and the last of three rounds, watched at every step."""
    watch = Watch()
    batch_size = 8 if isinstance(data, tuple) else None
    plan = Plan(rounds=2, pruning_rate=0.5, batch_size=batch_size, **plan)
    trainer = Trainer(model, data, plan, callbacks=[watch])
    *_, last = run_rounds(trainer, plan)
    assert watch.leaks == 0
    assert last.ticket.density < 0.5
    assert any(
        (last.outcome.weights[path] != last.ticket.weights[path]).any()
        for path in last.ticket.masks
    )
    return trainer, last


def masks_of(model, data, **plan):
    return set(trained(model, data, **plan)[1].ticket.masks)


def sequence_model(*between):
    inputs = keras.Input((5, 4))
    features = inputs
    for layer in between:
        features = layer(features)
    return classifier(inputs, layers.Flatten()(features))


def image_model(*between):
    inputs = keras.Input((6, 6, 2))
    features = inputs
    for layer in between:
        features = layer(features)
    return classifier(inputs, layers.Flatten()(features))


def sequences(n=32):
    return rng().standard_normal((n, 5, 4)).astype(np.float32)


def images(n=32):
    return rng().standard_normal((n, 6, 6, 2)).astype(np.float32)
