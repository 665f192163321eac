"""What a model holds outside layers is copied: nothing is shared, nothing is lost."""

import collections
import itertools
import random

import numpy as np
import pytest

from tests.models import CLASSES, FEATURES, arrays, compiled, keras, layers, tf, tiny
from tf_lottery import Plan
from tf_lottery.bindings.tf_keras.copying.copier import copy_model
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.training.trainer import Trainer


class Holding(keras.Model):
    """Its training step logs what `more` returns."""

    def more(self):
        return {}

    def train_step(self, data):
        return {**super().train_step(data), **self.more()}


def holding(more=lambda self: {}, **attributes):
    inputs = keras.Input((FEATURES,), name="features")
    hidden = layers.Dense(5, activation="relu", name="hidden")(inputs)
    logits = layers.Dense(CLASSES, name="logits")(hidden)
    model = type("Own", (Holding,), {"more": more})(inputs, logits)
    for name, value in attributes.items():
        setattr(model, name, value)
    return compiled(model)


def trainer(model):
    return Trainer(model, arrays(), Plan(rounds=1))


@pytest.mark.parametrize(
    "arguments",
    [
        {"constraint": tf.nn.relu},
        {"aggregation": tf.VariableAggregation.MEAN, "trainable": False},
        {
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.SUM,
        },
        {"dtype": tf.float64, "shape": tf.TensorShape(None), "trainable": False},
    ],
    ids=lambda arguments: "-".join(arguments),
)
def test_a_variable_keeps_all_that_it_was_made_with(arguments):
    given = tf.Variable([1.0, -2.0], name="scale", **arguments)
    found = copy_model(holding(scale=given)).scale
    assert found is not given
    for name in ("constraint", "aggregation", "synchronization", "trainable"):
        assert getattr(found, name) == getattr(given, name)
    assert (found.dtype, found.name) == (given.dtype, given.name)
    assert found.shape.rank == given.shape.rank
    assert np.array_equal(found.numpy(), given.numpy())


def test_a_constraint_of_a_variable_acts_in_training():
    def more(self):
        self.scale.assign(-1.0)
        self.optimizer.apply_gradients([(tf.zeros(()), self.scale)])
        return {"scale": self.scale + 0}

    scale = tf.Variable(1.0, name="scale", constraint=tf.nn.relu)
    found = trainer(holding(more, scale=scale))
    assert set(found.train(found.dense()).curves["scale"]) == {0.0}


class Helper:
    """A plain object of the user's."""

    def __init__(self, part=None):
        self.part = part
        self.seen = [1]


@pytest.mark.first_case
@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        {"a": [1]},
        {1, 2},
        collections.defaultdict(list, a=[1]),
        collections.deque([1], maxlen=2),
        np.random.default_rng(0),
        np.random.RandomState(0),
        random.Random(0),
        itertools.count(),
        Helper(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_training_may_change_is_not_shared(value):
    model = holding(held=value)
    found = trainer(model).model.held
    assert type(found) is type(model.held)
    assert found is not model.held


def test_a_generator_of_numpy_draws_as_the_users_and_leaves_it_alone():
    rng = np.random.default_rng(5)
    found = trainer(holding(rng=rng)).model.rng
    assert found.random(3).tolist() == np.random.default_rng(5).random(3).tolist()
    assert rng.random() == np.random.default_rng(5).random()


def test_an_object_holds_the_copys_parts_and_is_copied_once():
    model = holding()
    model.first = model.second = Helper(model)
    model.seen = model.first.seen
    model.of_layer = Helper(model.get_layer("hidden"))
    found = trainer(model).model
    assert found.first is found.second is not model.first
    assert found.first.part is found
    assert found.seen is not model.seen
    hidden = named_weights(found)["hidden/kernel"]
    assert found.of_layer.part.kernel is hidden


class Counting(tf.Module):
    def __init__(self):
        super().__init__(name="counting")
        self.count = tf.Variable(0.0, trainable=False, name="count")
        self.dense = layers.Dense(2, name="dense")
        self.dense.build((None, FEATURES))


def test_a_module_is_copied_with_its_variables_and_rewound():
    def more(self):
        self.module.count.assign_add(1.0)
        return {"count": self.module.count + tf.reduce_sum(self.module.dense.bias)}

    model = holding(more, module=Counting())
    found = trainer(model)
    ticket = found.dense()
    counts = [found.train(ticket).curves["count"][-1] for _ in range(2)]
    assert counts[0] == counts[1]
    assert model.module.count.numpy() == 0
    assert found.model.module.dense is not model.module.dense
    assert "count" in ticket.state


def test_a_generator_of_tensorflow_is_copied_and_rewound():
    def more(self):
        return {"drawn": self.generators[0].uniform(())}

    model = holding(more, generators=[tf.random.Generator.from_seed(3)])
    found = trainer(model)
    ticket = found.dense()
    drawn = [found.train(ticket).curves["drawn"] for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert "random:generators" in ticket.state
    fresh = tf.random.Generator.from_seed(3)
    assert model.generators[0].uniform(()) == fresh.uniform(())


class Noisy(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = tf.random.Generator.from_non_deterministic_state()

    def call(self, x, training=False):
        return x + self.generator.normal(tf.shape(x)) if training else x


def test_a_generator_of_a_layer_is_copied_and_rewound():
    inner = [Noisy(name="noisy"), layers.Dense(CLASSES, name="logits")]
    model = compiled(keras.Sequential([keras.Input((FEATURES,)), *inner]))
    found = trainer(model)
    ticket = found.dense()
    state = model.layers[0].generator.state.numpy()
    assert np.array_equal(ticket.state["random:noisy/generator"], state)
    losses = [found.train(ticket).curves["loss"] for _ in range(2)]
    assert losses[0] == losses[1]


def test_a_fixed_table_works_in_the_copy():
    pairs = tf.lookup.KeyValueTensorInitializer([1, 2], [3.0, 4.0])
    model = holding(
        lambda self: {"found": self.table.lookup(tf.constant(1))},
        table=tf.lookup.StaticHashTable(pairs, -1.0),
    )
    found = trainer(model)
    assert found.train(found.dense()).curves["found"][-1] == 3.0


def test_a_table_that_training_may_change_is_refused():
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, 0.0)
    with pytest.raises(ValueError, match=r"in variables.*MutableHashTable"):
        trainer(holding(table=table))


def test_what_cannot_be_copied_is_said():
    with pytest.warns(UserWarning, match=r"cannot be copied: generator .*same object"):
        trainer(holding(batches=(number for number in range(3))))


def test_optimizers_and_models_in_a_list_are_copied():
    optimizer, inner = keras.optimizers.Adam(0.1), tiny()
    found = trainer(holding(optimizers=[optimizer], models=[inner])).model
    assert found.optimizers[0] is not optimizer
    assert found.models[0] is not inner
    assert np.array_equal(found.models[0].weights[0], inner.weights[0])


@pytest.mark.first_case
@pytest.mark.parametrize(
    "held",
    [np.random.default_rng(0), [random.Random(0)], itertools.count()],
    ids=["numpy", "list", "iterator"],
)
def test_a_generator_of_python_is_a_warning_as_it_is_not_rewound(held):
    with pytest.warns(UserWarning, match=r"Only variables are rewound.*'draws'"):
        trainer(holding(draws=held))
    with pytest.warns(UserWarning, match=r"Only variables are rewound.*'helper'"):
        trainer(holding(helper=Helper(np.random.default_rng(0))))


def test_other_attributes_are_no_warning(recwarn):
    holding_all = holding(
        generators=[tf.random.Generator.from_seed(3)],
        loss_function=keras.losses.MeanSquaredError(),
        schedule=keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9),
        data=tf.data.Dataset.range(3),
        numbers=[1, 2],
        helper=Helper(),
    )
    trainer(holding_all)
    assert not [w for w in recwarn if "rewound" in str(w.message)]
