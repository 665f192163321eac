"""The copy that is searched is the user's model, or the search does not begin."""

import gc

import numpy as np
import pytest

from tests.models import CLASSES, FEATURES, arrays, compiled, keras, layers, tf, tiny
from tf_lottery import Plan
from tf_lottery.bindings.tf_keras.copying import proof
from tf_lottery.bindings.tf_keras.copying.copier import copy_model
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.process import seeded
from tf_lottery.bindings.tf_keras.tfmot.wrap import compile_like, wrap
from tf_lottery.training.trainer import Trainer

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def trainer(model, data=None, **plan):
    return Trainer(model, data or arrays(), Plan(rounds=1, **plan))


def logs(trained):
    """What training the dense network logs."""
    return trained.train(trained.dense()).curves


class Marked(keras.Model):
    """A functional model whose training step marks its logs."""

    mark = 7.0

    def train_step(self, data):
        return {**super().train_step(data), "mark": tf.constant(self.mark)}

    def test_step(self, data):
        return {**super().test_step(data), "seen": tf.constant(self.mark)}


class MarkedSequential(keras.Sequential):
    def train_step(self, data):
        return {**super().train_step(data), "mark": tf.constant(7.0)}


class OwnInit(keras.Model):
    """Its `__init__` takes other arguments, and keeps layers and a metric."""

    def __init__(self, units, **kwargs):
        inputs = keras.Input((FEATURES,))
        hidden = layers.Dense(units, activation="relu", name="hidden")
        logits = layers.Dense(CLASSES, name="logits")
        super().__init__(inputs, logits(hidden(inputs)), **kwargs)
        self.hidden, self.both = hidden, [hidden, logits]
        self.tracker = keras.metrics.Mean(name="norm")
        self.temperature = tf.Variable(2.0, name="temperature")
        self.options = {"weight": 0.5}

    def train_step(self, data):
        out = super().train_step(data)
        self.tracker.update_state(tf.norm(self.hidden.kernel))
        return {**out, "norm": self.tracker.result() * self.temperature}


def functional(kind=keras.Model):
    inputs = keras.Input((FEATURES,), name="features")
    x = layers.Dense(5, activation="relu", name="hidden")(inputs)
    return kind(inputs, layers.Dense(CLASSES, name="logits")(x))


def sequential(kind):
    model = kind([keras.Input((FEATURES,)), layers.Dense(CLASSES, name="logits")])
    return model


@pytest.mark.parametrize(
    "make",
    [lambda: functional(Marked), lambda: sequential(MarkedSequential)],
    ids=["functional", "Sequential"],
)
def test_class_and_methods_are_the_users(make):
    model = compiled(make())
    found = trainer(model)
    assert type(found.model) is type(model)
    assert set(logs(found)["mark"]) == {7.0}


def test_an_unbuilt_sequential_keeps_its_class_and_attributes():
    model = compiled(MarkedSequential([layers.Dense(CLASSES, name="logits")]))
    model.note = "mine"
    found = trainer(model)
    assert (type(found.model), found.model.note) == (MarkedSequential, "mine")
    assert set(logs(found)["mark"]) == {7.0}


def test_attributes_are_copied_and_hold_parts_of_the_copy():
    model = compiled(OwnInit(4))
    model.options["more"] = [1, 2]
    found = trainer(model).model
    assert type(found) is OwnInit
    weights = named_weights(found)
    assert found.hidden.kernel is weights["hidden/kernel"]
    assert [layer.name for layer in found.both] == ["hidden", "logits"]
    assert found.temperature is weights["temperature"]
    assert found.tracker is not model.tracker
    assert found.options == {"weight": 0.5, "more": [1, 2]}
    assert weights.keys() == named_weights(model).keys()


def test_what_attributes_hold_is_trained_pruned_and_rewound():
    found = trainer(compiled(OwnInit(4)))
    norms = logs(found)["norm"]
    kernel = found.model.hidden.kernel
    assert norms[-1] == pytest.approx(2 * float(tf.norm(kernel)), rel=0.2)
    assert {"temperature", "hidden/kernel"} <= found.dense().state.keys()


def distilling():
    """A student with a teacher that is an attribute."""

    def step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            logits = self(x, training=True)
            loss = LOSS(y, logits)
            loss += tf.reduce_mean((tf.stop_gradient(self.teacher(x)) - logits) ** 2)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return {"loss": loss}

    kind = type("Distilling", (keras.Model,), {"train_step": step})
    model = functional(kind)
    model.teacher = functional()
    return compiled(model, "sgd", metrics=[])


def test_a_teacher_is_copied_kept_and_not_pruned():
    model = distilling()
    before = [w.numpy() for w in model.teacher.weights]
    found = trainer(model)
    ticket = found.dense()
    assert set(ticket.masks) == {"hidden/kernel", "logits/kernel"}
    assert found.model.teacher is not model.teacher
    assert "model/hidden/kernel" in ticket.state
    outcome = found.train(ticket)
    assert all(map(np.array_equal, before, (w.numpy() for w in model.teacher.weights)))
    for path in ("hidden", "logits"):
        kernel = f"model/{path}/kernel"
        assert np.array_equal(outcome.weights[kernel], ticket.state[kernel])


def test_a_step_set_on_the_instance_acts_on_the_copy():
    model, seen = compiled(functional()), []
    old, hidden = model.train_step, model.get_layer("hidden")

    def step(data, *, scale=2.0):
        seen.append(hidden)
        return {**old(data), "mark": tf.reduce_sum(hidden.kernel) * 0 + scale}

    model.train_step = step
    before = [w.numpy() for w in model.weights]
    found = trainer(model)
    assert set(logs(found)["mark"]) == {2.0}
    assert all(map(np.array_equal, before, (w.numpy() for w in model.weights)))
    assert seen[-1] is not hidden
    assert seen[-1].kernel is named_weights(found.model)["hidden/kernel"]


def test_functions_that_hold_each_other_and_themselves_act_on_the_copy():
    model = functional()

    def first(x, depth=0):
        return model(x) if depth == 2 else second(x, depth)

    def second(x, depth=0):
        return first(x, depth + 1)

    def again(x, depth=2):
        return again(x, depth - 1) if depth else model(x)

    model.first, model.second, model.again = first, second, again
    copied = copy_model(model)
    for weight in copied.weights:
        weight.assign(tf.ones_like(weight))
    x = arrays()[0][:2]
    for name in ("first", "second", "again"):
        assert np.array_equal(getattr(copied, name)(x), copied(x))
        assert np.array_equal(getattr(model, name)(x), model(x))


@pytest.mark.parametrize("name", ["compute_loss", "test_step"])
def test_other_methods_set_on_the_instance_are_kept(name):
    model, calls = compiled(functional()), []
    old = getattr(model, name)

    def own(*args, **kwargs):
        calls.append(name)
        return old(*args, **kwargs)

    setattr(model, name, own)
    data = arrays()
    found = Trainer(model, data, Plan(rounds=1), validation_data=data)
    logs(found)
    assert calls


def test_a_function_that_reaches_the_model_by_a_global_name_is_refused():
    model = compiled(functional())
    code = "def step(data):\n    return old(data)"
    scope = {"old": model.train_step}
    exec(code, scope)
    model.train_step = scope["step"]
    with pytest.raises(ValueError, match=r"'step' reaches the model by.*'old'"):
        trainer(model)


def test_a_lambda_that_reaches_another_layers_weight_has_the_copys():
    """Tied embeddings."""
    inputs = keras.Input((6,), dtype="int32")
    embedding = layers.Embedding(30, 12, name="embedding")
    hidden = layers.Dense(12, name="hidden")(embedding(inputs))
    tie = layers.Lambda(
        lambda x: tf.matmul(x, embedding.embeddings, transpose_b=True), name="tied"
    )
    model = compiled(keras.Model(inputs, tie(hidden)))
    tokens = np.random.default_rng(0).integers(0, 30, (64, 6))
    found = trainer(model, (tokens, tokens))
    before = found.model.predict(tokens, verbose=0)
    embedding.embeddings.assign(embedding.embeddings * 0)
    assert np.array_equal(found.model.predict(tokens, verbose=0), before)
    logs(found)
    assert not embedding.embeddings.numpy().any()


def test_an_operation_on_a_weight_is_refused_with_its_name():
    inputs = keras.Input((6,), dtype="int32")
    embedding = layers.Embedding(30, 12, name="embedding")
    tied = tf.matmul(embedding(inputs), embedding.embeddings, transpose_b=True)
    model = compiled(keras.Model(inputs, tied))
    with pytest.raises(ValueError, match=r"matmul.*'embedding/embeddings'"):
        trainer(model, (np.zeros((8, 6), int), np.zeros((8, 6), int)))


def test_a_class_that_reaches_the_models_weights_by_a_closure_is_refused():
    built = []

    class Reaching(layers.Layer):
        def call(self, x):
            return x + tf.reduce_sum(built[0].kernel)

    hidden = layers.Dense(5, name="hidden")
    built.append(hidden)
    stack = [keras.Input((FEATURES,)), hidden, Reaching(), layers.Dense(CLASSES)]
    with pytest.raises(ValueError, match=r"variables of its own.*'hidden/kernel'"):
        trainer(compiled(keras.Sequential(stack)))


@keras.saving.register_keras_serializable("copying_test")
class Forgetful(layers.Layer):
    """Its configuration lacks the factor."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return super().get_config()


def test_a_copy_with_other_outputs_is_refused():
    inner = [Forgetful(3.0), layers.Dense(CLASSES)]
    model = keras.Sequential([keras.Input((FEATURES,)), *inner])
    with pytest.raises(ValueError, match=r"outputs and losses.*get_config"):
        trainer(compiled(model))


def test_a_copy_with_other_losses_is_refused():
    model = tiny()
    model.layers[0].kernel_regularizer = keras.regularizers.L2(0.1)  # after building
    with pytest.raises(ValueError, match="outputs and losses"):
        trainer(compiled(model))


def noisy():
    inputs = keras.Input((FEATURES,))
    noise = layers.Lambda(lambda x: x + tf.random.normal(tf.shape(x)))
    return keras.Model(inputs, layers.Dense(CLASSES)(noise(inputs)))


def test_a_model_that_draws_in_every_call_is_compared_under_a_seed():
    trainer(compiled(noisy()))


def test_the_proof_changes_neither_model():
    inputs = keras.Input((4, FEATURES), batch_size=2)
    x = layers.BatchNormalization()(inputs)
    x = layers.LSTM(3, stateful=True)(x)
    model = keras.Model(inputs, layers.Dense(CLASSES)(x))
    model.layers[2].states[0].assign(tf.ones((2, 3)))
    before = [v.numpy() for v in (*model.variables, *model.layers[2].states)]
    proof.prove(wrap(model), model, lambda: seeded(0))
    after = [v.numpy() for v in (*model.variables, *model.layers[2].states)]
    assert all(map(np.array_equal, before, after))


@pytest.mark.parametrize("mode", ["int", "multi_hot", "tf_idf"])
def test_adapted_vocabularies_are_copied(mode):
    words = np.array([["red"], ["blue"], ["red"]])
    lookup = layers.TextVectorization(output_mode=mode, name="words")
    lookup.adapt(words)
    model = keras.Sequential([keras.Input((1,), dtype=tf.string), lookup])
    copied = copy_model(model)
    assert copied.layers[0].get_vocabulary() == lookup.get_vocabulary()
    assert np.array_equal(copied(words), model(words))


def test_lookups_of_numbers_and_inverse_ones_are_copied():
    numbers = layers.IntegerLookup(num_oov_indices=2, name="numbers")
    numbers.adapt([[5], [7], [7]])
    model = keras.Sequential([keras.Input((1,), dtype="int64"), numbers])
    x = np.array([[7], [5], [9]])
    assert np.array_equal(copy_model(model)(x), model(x))


@pytest.mark.slow
def test_wrappers_of_tfmots_quantization_are_paired_by_path():
    import tensorflow_model_optimization as tfmot

    from tf_lottery import find_ticket

    x, y = arrays()
    with tfmot.quantization.keras.quantize_scope():
        model = compiled(tfmot.quantization.keras.quantize_model(tiny()))
        model.fit(x, y, verbose=0)
        with pytest.warns(UserWarning, match="was trained already, for 3 steps"):
            ticket = find_ticket(model, (x, y), rounds=1, verbose=0)
        made = ticket.model("final").predict(x, verbose=0)
        applied = ticket.apply(model, "final").predict(x, verbose=0)
    assert np.array_equal(made, applied)


def test_a_multi_output_model_that_was_used_keeps_the_names_of_its_metrics():
    inputs = keras.Input((FEATURES,))
    outputs = [layers.Dense(1, name=name)(inputs) for name in ("a", "b")]
    model = keras.Model(inputs, outputs)
    metrics = [[keras.metrics.AUC(name="auc")], ["mae"]]
    model.compile("sgd", ["mse", "mse"], metrics=metrics)
    x, y = arrays()[0], arrays()[1][:, None] % 2
    model.fit(x, [y, y], verbose=0)
    copied = wrap(model)
    compile_like(copied, model)
    copied.fit(x, [y, y], verbose=0)
    assert copied.metrics_names == model.metrics_names


def test_no_copy_is_kept_alive():
    import weakref

    found = weakref.ref(copy_model(tiny()))
    gc.collect()
    assert found() is None


def attention(freeze=False):
    inputs = keras.Input((4, FEATURES))
    layer = layers.MultiHeadAttention(2, 3, name="attention")
    x = layers.Flatten()(layer(inputs, inputs))
    if freeze:
        layer._query_dense.trainable = False
    return compiled(keras.Model(inputs, layers.Dense(CLASSES, name="logits")(x)))


def test_a_frozen_part_of_a_layer_is_frozen_in_the_copy_and_not_pruned():
    x = np.zeros((32, 4, FEATURES), np.float32)
    data = (x, np.zeros(32, int))
    query = "attention/query/kernel"
    assert query in trainer(attention(), data).dense().masks
    assert query not in trainer(attention(freeze=True), data).dense().masks


@keras.saving.register_keras_serializable("copying_test")
class Dropping(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.drop = layers.Dropout(0.0)

    def call(self, x, training=False):
        return self.drop(x, training=training)


def test_a_setting_of_a_part_that_no_configuration_has_is_refused():
    layer = Dropping(name="dropping")
    layer.drop.rate = 0.9
    inner = [keras.Input((FEATURES,)), layer, layers.Dense(CLASSES)]
    with pytest.raises(ValueError, match=r"'dropout'.*rate is 0.9 and 0.0 in a copy"):
        trainer(compiled(keras.Sequential(inner)))


def test_a_layer_that_is_an_attribute_is_copied_with_its_weights():
    class WithHead(keras.Model):
        def train_step(self, data):
            x, _ = data
            return {**super().train_step(data), "head": tf.reduce_sum(self.head(x))}

    model = functional(WithHead)
    model.head = layers.Dense(2, name="head")
    model.head.build((None, FEATURES))
    found = trainer(compiled(model))
    head = found.model.head
    assert head is not model.head
    assert np.array_equal(head.kernel.numpy(), model.head.kernel.numpy())
    assert "head" in logs(found)
    assert set(found.dense().masks) == {"hidden/kernel", "logits/kernel"}


def test_a_variable_of_a_closure_would_not_be_rewound_and_is_refused():
    model, count = compiled(functional()), tf.Variable(0.0, name="count")
    old = model.train_step

    def step(data):
        count.assign_add(1.0)
        return old(data)

    model.train_step = step
    with pytest.raises(ValueError, match=r"belong to the model.*'count'"):
        trainer(model)


def test_a_second_optimizer_would_not_be_rewound_and_is_refused():
    class Second(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x, training=True))
            self.second.minimize(loss, self.trainable_variables, tape=tape)
            return {"loss": loss}

    model = functional(Second)
    model.second = keras.optimizers.Adam(0.1)
    model.second.build(model.trainable_variables)
    with pytest.raises(ValueError, match="second optimizer"):
        trainer(compiled(model))


def test_an_eager_loss_that_reaches_a_weight_is_refused():
    model = functional()
    hidden = model.get_layer("hidden")

    def loss(y, logits):
        return LOSS(y, logits) + tf.reduce_sum(hidden.kernel**2)

    model.compile("sgd", loss, run_eagerly=True)
    with pytest.raises(ValueError, match="'hidden/kernel'"):
        trainer(model)


def test_what_acts_on_an_optimizer_and_a_fit_of_ones_own_are_refused():
    hooked = keras.optimizers.legacy.SGD(
        0.1, gradient_transformers=[lambda pairs: pairs]
    )
    with pytest.raises(ValueError, match="gradient_transformers"):
        trainer(compiled(functional(), hooked))

    class OwnFit(keras.Model):
        def fit(self, *args, **kwargs):
            return super().fit(*args, **kwargs)

    with pytest.raises(ValueError, match="`fit` of its own"):
        trainer(compiled(functional(OwnFit)))


def test_plain_attributes_are_compared_and_own_code_is_not_shared(tmp_path):
    from tf_lottery import PlanMismatchError, find_ticket

    model = compiled(functional(Marked))
    find_ticket(model, arrays(), rounds=1, run_dir=tmp_path, verbose=0)
    model.mark = 8.0
    with pytest.raises(PlanMismatchError, match="another model"):
        find_ticket(model, arrays(), rounds=1, run_dir=tmp_path, verbose=0)
    assert "Marked" in trainer(model).facts["unknown"]
