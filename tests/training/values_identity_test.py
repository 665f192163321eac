"""What is read in training and never trained is in a search's keys: a teacher."""

import warnings

import numpy as np
import pytest

from tests.models import CLASSES, FEATURES, arrays, compiled, keras, tf, tiny
from tf_lottery import Plan, PlanMismatchError, find_ticket
from tf_lottery.bindings.tf_keras.copying.fixed import fixed_values
from tf_lottery.run_dir.keys import Keys
from tf_lottery.run_dir.manifest import manifest_of
from tf_lottery.training.trainer import Trainer
from tf_lottery.tuner import trainers

DATA = arrays()
SEARCH = {"rounds": 1, "validation_data": DATA, "verbose": 0}
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class Distilling(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = LOSS(y, logits) + tf.reduce_mean((self.teacher(x) - logits) ** 2)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return {"loss": loss}


def functional(kind=keras.Model):
    inputs = keras.Input((FEATURES,))
    hidden = keras.layers.Dense(5, activation="relu", name="hidden")(inputs)
    return kind(inputs, keras.layers.Dense(CLASSES, name="logits")(hidden))


def student(scale=1.0, *, frozen=True, attribute=None):
    keras.utils.set_random_seed(3)
    model = functional(Distilling)
    model.teacher = functional()
    model.teacher.trainable = not frozen
    for weight in model.teacher.weights:
        weight.assign(weight * scale)
    if attribute is not None:
        model.attribute = attribute
    return compiled(model, "sgd", metrics=[])


def search(path, model):
    return find_ticket(model, DATA, run_dir=path, monitor="val_loss", **SEARCH)


def test_another_frozen_teacher_is_another_search(tmp_path):
    search(tmp_path, student())
    search(tmp_path, student())
    with pytest.raises(PlanMismatchError, match=r"other values .*teacher.*'model/hid"):
        search(tmp_path, student(2.0))


@pytest.mark.first_case
@pytest.mark.parametrize("kind", [np.array, tf.constant, lambda v: {"a": np.array(v)}])
def test_another_array_that_is_an_attribute_is_another_search(tmp_path, kind):
    search(tmp_path, student(attribute=kind([1.0, 2.0])))
    with pytest.raises(PlanMismatchError, match="in 'attribute'"):
        search(tmp_path, student(attribute=kind([1.0, 3.0])))


def test_the_keys_of_trainings_have_it():
    plan = Plan(rounds=1, monitor="loss")
    ticket = Trainer(compiled(tiny()), DATA, Plan()).dense()  # of any model

    def key(model):
        found = Trainer(model, DATA, plan)
        of = found.facts["architecture"], found.facts["data"]
        facts = manifest_of(plan, *of, values=found.facts["values"])
        return Keys(facts).key(ticket, plan)

    keys = [key(student(scale)) for scale in (1.0, 1.0, 2.0)]
    assert keys[0] == keys[1] != keys[2]


def test_a_sweep_takes_no_trainer_of_another_teacher():
    plan = Plan(rounds=1, monitor="loss")
    values = [np.ones(2), np.ones(2), np.zeros(2)]

    def key(**arguments):
        return trainers.Trainers(None).key(lambda: student(**arguments), plan)

    keys = [key(attribute=value) for value in values]
    assert keys[0] == keys[1] != keys[2]
    assert key(scale=2.0) != key()


def test_weights_of_the_graph_and_trained_ones_are_no_such_values():
    assert fixed_values(compiled(tiny())) == {}
    assert fixed_values(student(frozen=False)) == {}
    frozen = compiled(tiny())
    frozen.get_layer("hidden").trainable = False
    assert fixed_values(frozen) == {}


def test_a_metric_of_ones_own_is_no_such_value():
    model = student(frozen=False)
    model.tracker = keras.metrics.Mean()
    model.tracker.update_state(3.0)
    assert fixed_values(model) == {}


def moved(module):
    kind = type("Block", (keras.layers.Dense,), {"__module__": module})
    layers = [kind(6, name="hidden"), keras.layers.Dense(CLASSES, name="logits")]
    keras.utils.set_random_seed(1)
    return compiled(keras.Sequential([keras.Input((FEATURES,)), *layers]))


@pytest.mark.slow
def test_a_class_that_moved_to_a_module_goes_on_with_a_warning(tmp_path):
    find_ticket(moved("__main__"), DATA, run_dir=tmp_path, **SEARCH)
    with pytest.warns(UserWarning, match=r"'Block' of the module '__main__'.*'blocks'"):
        find_ticket(moved("blocks"), DATA, run_dir=tmp_path, **SEARCH)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "was started with the class")
        find_ticket(moved("blocks"), DATA, run_dir=tmp_path, **SEARCH)
