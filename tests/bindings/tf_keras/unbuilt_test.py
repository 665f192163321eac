"""Attributes that are built when they are first called: copied, seeded and rewound."""

import pytest

from tests.models import CLASSES, FEATURES, arrays, compiled, keras, layers
from tf_lottery import Plan, find_ticket
from tf_lottery.training.trainer import Trainer


class Augmenting(keras.Model):
    """Trains on inputs that a layer of its own changes, as contrastive examples do."""

    def train_step(self, data):
        x, y = data
        return super().train_step((self.augment(x, training=True), y))


def augmenting(augment):
    inputs = keras.Input((FEATURES,), name="features")
    hidden = layers.Dense(5, activation="relu", name="hidden")(inputs)
    model = Augmenting(inputs, layers.Dense(CLASSES, name="logits")(hidden))
    model.augment = augment
    return compiled(model)


HELD = {
    "layer": lambda: layers.GaussianNoise(0.5, name="noise"),
    "sequential": lambda: keras.Sequential(
        [layers.GaussianNoise(0.5, name="noise"), layers.Dropout(0.5, name="drop")],
        name="augment",
    ),
}


@pytest.mark.first_case
@pytest.mark.parametrize("kind", HELD)
def test_random_layers_are_rewound_and_seeded(kind):
    def losses(seed):
        model = augmenting(HELD[kind]())
        trainer = Trainer(model, arrays(), Plan(epochs=2, seed=seed))
        ticket = trainer.dense()
        curves = [trainer.train(ticket).curves["loss"] for _ in range(2)]
        assert curves[0] == curves[1]
        assert any(name.startswith("random:") for name in ticket.state)
        assert not model.augment.built
        return curves[0]

    assert losses(0) != losses(1)


@pytest.mark.first_case
@pytest.mark.parametrize("kind", HELD)
def test_a_ticket_is_applied_to_a_model_that_holds_them(kind):
    data = arrays()
    model = augmenting(HELD[kind]())
    ticket = find_ticket(model, data, rounds=1, verbose=0, validation_data=data)
    applied = ticket.apply(model, "best")
    applied.fit(*data, verbose=0)
    assert applied.augment is not model.augment


@pytest.mark.parametrize(
    "augment", [lambda layer: layer, lambda layer: keras.Sequential([layer])]
)
def test_one_with_weights_must_be_built(augment):
    model = augmenting(augment(layers.Dense(FEATURES)))
    with pytest.raises(ValueError, match=r"must be built.*'augment'.*augment\.build"):
        Trainer(model, arrays(), Plan())
    model.augment.build((None, FEATURES))
    Trainer(compiled(model), arrays(), Plan())
