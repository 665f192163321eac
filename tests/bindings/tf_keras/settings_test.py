"""Python attributes that a callback changes are rewound between rounds, and resumed."""

import pytest

from tests.fakes import Killed
from tests.models import arrays, compiled, keras, tf, with_state
from tests.training.trainings import Kill, trainer_of
from tf_lottery import find_ticket
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training import checkpoint


class Annealed(keras.Model):
    """A loss that is weighted by an attribute."""

    rho = 1.0

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.beta * self.compiled_loss(y, self(x, training=True))
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return {"loss": loss}


def annealed():
    plain = with_state()
    model = Annealed(plain.inputs, plain.outputs)
    model.beta = 0.5
    optimizer = keras.optimizers.SGD(0.1, momentum=0.5)
    return compiled(model, optimizer, run_eagerly=True, metrics=None)


class Anneals(keras.callbacks.Callback):
    """Changes attributes of the model, a layer and the optimizer after each epoch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def _values(self):
        drop = self.model.get_layer("drop")
        momentum = self.model.optimizer.momentum
        return self.model.beta, self.model.rho, drop.rate, momentum

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append((epoch, *(round(value, 2) for value in self._values())))

    def on_epoch_end(self, epoch, logs=None):
        self.model.beta += 0.1
        self.model.rho += 0.1
        self.model.get_layer("drop").rate += 0.1
        self.model.optimizer.momentum += 0.1
        self.model.get_layer("norm").trainable = False


EXPECTED = [
    (0, 0.5, 1.0, 0.3, 0.5),
    (1, 0.6, 1.1, 0.4, 0.6),
    (2, 0.7, 1.2, 0.5, 0.7),
]


# At step 6, where the epoch's variables are taken too: before its end is called.
REWOUND = [(1, *EXPECTED[0][1:]), (2, *EXPECTED[1][1:])]


@pytest.mark.first_case
@pytest.mark.parametrize("rewind_to", [0, "1ep", 9])
def test_attributes_are_rewound_between_rounds(rewind_to):
    callback, model = Anneals(), annealed()
    plan = {"epochs": 3, "rounds": 2, "rewind_to": rewind_to}
    trainer = trainer_of(model, callbacks=[callback], **plan)
    list(run_rounds(trainer, trainer.plan))
    again = {0: EXPECTED, "1ep": REWOUND, 9: EXPECTED[1:]}[rewind_to]
    assert callback.seen == [*EXPECTED, *again, *again]
    assert (model.beta, model.get_layer("drop").rate) == (0.5, 0.3)
    assert trainer.model.get_layer("norm").trainable is False


@pytest.mark.slow
def test_attributes_are_resumed(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "_SHARE", 1e9)

    def search(path, *more):
        callback = Anneals()
        options = {"rounds": 1, "epochs": 3, "rewind_to": "1ep", "verbose": 0}
        try:
            callbacks = [callback, *more]
            run = {"run_dir": path, "callbacks": callbacks}
            validation = {"validation_data": arrays(32, 1)}
            found = find_ticket(annealed(), arrays(), **options, **run, **validation)
        except Killed:
            return callback.seen, None
        return callback.seen, found

    whole, expected = search(tmp_path / "whole")
    before, _ = search(tmp_path / "killed", Kill("on_epoch_begin", 2))
    after, found = search(tmp_path / "killed")
    assert before == EXPECTED
    assert after == whole[2:]
    for one, other in zip(found.history, expected.history, strict=True):
        for path in one.outcome.weights:
            same = one.outcome.weights[path] == other.outcome.weights[path]
            assert same.all()
    path = found.save(tmp_path / "ticket.safetensors")
    found.apply(annealed())


def test_states_hold_no_attributes_that_did_not_change():
    trainer = trainer_of(compiled(with_state()), rewind_to="1ep", rounds=1)
    for each in run_rounds(trainer, trainer.plan):
        assert not [name for name in each.ticket.state if name.startswith("setting:")]


class Adds(keras.callbacks.Callback):
    """Sets an attribute that the layer did not have."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(getattr(self.model.get_layer("drop"), "level", None))

    def on_epoch_end(self, epoch, logs=None):
        self.model.get_layer("drop").level = 7


def test_an_attribute_that_a_callback_adds_is_taken_away_for_the_next_round():
    callback = Adds()
    find_ticket(
        annealed(),
        arrays(),
        1,
        epochs=2,
        validation_data=arrays(32, seed=1),
        monitor="val_loss",
        callbacks=[callback],
        verbose=0,
    )
    assert callback.seen == [None, 7, None, 7]
