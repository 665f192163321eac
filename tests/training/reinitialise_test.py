"""Fresh states of a model are drawn as its layers draw them, each seed its own."""

import itertools
import random
import warnings

import numpy as np
import pytest

from tests.models import (
    BATCH,
    CLASSES,
    FEATURES,
    arrays,
    batches,
    compiled,
    equal,
    keras,
    layers,
    tf,
    unseeded,
    with_state,
)
from tests.training.trainings import trainer_of
from tf_lottery import bindings
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.core.plan import Plan
from tf_lottery.training.reinitialise import Source
from tf_lottery.training.trainer import Trainer

initializers = keras.initializers
IDS = tf.data.Dataset.from_tensor_slices(
    (np.arange(32).reshape(-1, 4) % 7, np.arange(8) % CLASSES)
).batch(4)


def drawn(model, *seeds, data=None):
    """The states of a model for some seeds, and as it was passed."""
    trainer = trainer_of(model, data)
    return [trainer.dense().state, *(trainer.draw(seed) for seed in seeds)]


def functional(*inner, shape=(FEATURES,), **inputs):
    """A compiled model of these layers, and a dense one for the classes."""
    made = outputs = keras.Input(shape, **inputs)
    for layer in inner:
        outputs = layer(outputs)
    logits = layers.Dense(CLASSES, name="logits")
    return compiled(keras.Model(made, logits(outputs)))


def kernels(state):
    return [name for name in state if ":" not in name and np.ndim(state[name]) > 1]


def differing(one, other):
    return [name for name in one if not np.array_equal(one[name], other[name])]


# Seeds.


def test_equal_seeds_draw_equal_bits_and_others_differ_in_every_kernel():
    model = compiled(with_state())
    passed, one, other = drawn(model, 1, 2)
    tf.random.uniform(())  # whatever was drawn before
    _, again = drawn(model, 1)
    assert equal(one, again)
    for pair in itertools.combinations((passed, one, other), 2):
        assert set(differing(*pair)) == {*kernels(passed), "random:drop"}


def test_a_model_made_again_draws_the_same():
    """As a process that continues a search does."""
    (_, one), (_, other) = (drawn(compiled(with_state()), 1) for _ in range(2))
    assert equal(one, other)


def test_nothing_is_drawn_from_global_seeds_and_they_are_left_as_they_were():
    def global_draws():
        initial = initializers.GlorotUniform()((3, 3)).numpy()
        numbers = [tf.random.uniform((3,)).numpy(), np.random.random(3)]
        return [random.random(), initial.tolist(), *(n.tolist() for n in numbers)]

    trainers = trainer_of(compiled(with_state())), trainer_of(unseeded)
    keras.utils.set_random_seed(7)
    expected = global_draws()
    keras.utils.set_random_seed(7)
    for trainer in trainers:
        trainer.draw(1)
    assert global_draws() == expected


def test_the_model_that_was_passed_is_not_changed():
    model = compiled(with_state())
    before = [w.numpy() for w in model.weights]
    drawn(model, 1)
    assert all(map(np.array_equal, (w.numpy() for w in model.weights), before))


# Initialisers.


def test_layers_with_one_explicit_seed_draw_differently():
    def dense(name):
        glorot = initializers.GlorotUniform(seed=3)
        return layers.Dense(FEATURES, kernel_initializer=glorot, name=name)

    passed, one, other = drawn(functional(dense("a"), dense("b")), 1, 2)
    assert (passed["a/kernel"] == passed["b/kernel"]).all()
    found = [state[f"{n}/kernel"].tobytes() for state in (one, other) for n in "ab"]
    assert len(set(found)) == 4


def test_orthogonal_kernels_stay_orthogonal():
    square = layers.Dense(FEATURES, kernel_initializer="orthogonal", name="square")
    for state in drawn(functional(square), 1, 2):
        product = state["square/kernel"].T @ state["square/kernel"]
        assert np.allclose(product, np.eye(FEATURES), atol=1e-5)


def test_what_no_seed_changes_is_as_it_was_passed():
    dense = layers.Dense(
        FEATURES,
        kernel_initializer="identity",
        bias_initializer=initializers.Constant(0.3),
        name="constant",
    )
    passed, one = drawn(functional(dense, layers.BatchNormalization(name="norm")), 1)
    assert differing(passed, one) == ["logits/kernel"]


def test_copies_of_a_layers_initialiser_draw_differently():
    """Keras makes them from its configuration: one seed would be one tensor."""
    bidirectional = layers.Bidirectional(layers.LSTM(3, name="lstm"), name="both")
    (_, one) = drawn(functional(layers.Reshape((4, 2)), bidirectional), 1)
    for kernel in ("kernel", "recurrent_kernel"):
        ways = [
            one[f"both/{w}_lstm/lstm_cell/{kernel}"] for w in ("forward", "backward")
        ]
        assert not np.array_equal(*ways)


def test_the_projections_of_attention_draw_differently():
    sequence = keras.Input((4, 2))
    attended = layers.MultiHeadAttention(2, 3, name="attention")(sequence, sequence)
    logits = layers.Dense(CLASSES, name="logits")(layers.Flatten()(attended))
    model = compiled(keras.Model(sequence, logits))
    data = tf.data.Dataset.from_tensor_slices(
        (arrays()[0].reshape(-1, 4, 2), arrays()[1])
    )
    _, one = drawn(model, 1, data=data.batch(BATCH))
    names = [f"attention/{name}/kernel" for name in ("query", "key", "value")]
    assert len({one[name].tobytes() for name in names}) == 3


def test_an_lstm_is_drawn_as_keras_draws_it():
    lstm = layers.LSTM(3, name="lstm")
    passed, one = drawn(functional(layers.Reshape((4, 2)), lstm), 1)
    recurrent = one["lstm/lstm_cell/recurrent_kernel"]
    assert np.allclose(recurrent @ recurrent.T, np.eye(3), atol=1e-5)
    assert equal(*({"bias": s["lstm/lstm_cell/bias"]} for s in (passed, one)))
    assert set(differing(passed, one)) >= set(kernels(passed))


def test_an_embedding_is_drawn():
    embedding = layers.Embedding(7, 3, name="embedding")
    model = functional(embedding, layers.Flatten(), shape=(4,), dtype="int32")
    passed, one, other = drawn(model, 1, 2, data=IDS)
    for pair in itertools.combinations((passed, one, other), 2):
        assert "embedding/embeddings" in differing(*pair)
    assert np.abs(one["embedding/embeddings"]).max() <= 0.05  # Keras' uniform


# Models within models.


def block(name):
    return keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(FEATURES, name="dense")], name=name
    )


def test_layers_of_one_name_in_nested_models_draw_differently():
    passed, one, other = drawn(functional(block("a"), block("b")), 1, 2)
    found = [s[f"{n}/dense/kernel"] for s in (passed, one, other) for n in "ab"]
    assert len({array.tobytes() for array in found}) == 6


def test_a_layer_that_is_used_twice_is_drawn_once():
    shared, nested = layers.Dense(FEATURES, name="shared"), block("nested")
    passed, one = drawn(functional(shared, nested, shared, nested), 1)
    assert kernels(one) == kernels(passed)
    assert set(differing(passed, one)) == set(kernels(passed))


# What is no draw.


def test_statistics_and_frozen_layers_of_a_built_model_stay():
    normalization = layers.Normalization(name="adapted")
    normalization.adapt(3 * arrays()[0] + 1)
    frozen = layers.Dense(FEATURES, name="frozen", trainable=False)
    model = functional(normalization, frozen, layers.BatchNormalization(name="norm"))
    frozen.kernel.assign(tf.ones_like(frozen.kernel))
    statistics = model.get_layer("norm").moving_mean
    statistics.assign(tf.ones_like(statistics))
    passed, one = drawn(model, 1)
    assert differing(passed, one) == ["logits/kernel"]
    assert {"adapted/mean", "adapted/variance", "norm/moving_mean"} < set(one)
    trainer_of(model, replicates=2)  # and they are no trained weights


def test_averages_of_weights_follow_the_draw():
    optimizer = keras.optimizers.Adam(0.05, use_ema=True)
    _, one = drawn(compiled(with_state(), optimizer), 1)
    names = [name for name in one if name.endswith("/average")]
    averages = {
        n.removeprefix("optimizer:").removesuffix("/average"): one[n] for n in names
    }
    assert set(kernels(one)) < set(averages)
    assert equal(averages, {path: one[path] for path in averages})


def test_the_average_of_each_weight_follows_it_where_weights_began_equal():
    def dense(name):
        glorot = initializers.GlorotUniform(seed=3)
        return layers.Dense(FEATURES, kernel_initializer=glorot, name=name)

    optimizer = keras.optimizers.Adam(0.05, use_ema=True)
    model = compiled(functional(dense("a"), dense("b")), optimizer)
    passed, one = drawn(model, 1)
    for name in "ab":
        average = one[f"optimizer:{name}/kernel/average"]
        assert (average == one[f"{name}/kernel"]).all()
        assert (average != passed[f"{name}/kernel"]).any()


def test_the_optimizer_is_at_its_beginning():
    trainer = trainer_of(compiled(with_state()))
    trainer.train(trainer.dense())
    state = trainer.draw(1)
    assert state["optimizer:iteration"] == 0
    assert not any(state[name].any() for name in state if name.endswith("/m"))


# Functions that make the model.


@pytest.mark.first_case
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_replicate_of_a_function_is_that_of_its_seed_alone(number):
    plan = Plan(replicates=3)
    trainer = Trainer(unseeded, batches(), plan)
    replicate = trainer.with_plan(plan.of_replicate(number), number)
    alone = Trainer(unseeded, batches(), plan.of_replicate(number))
    assert equal(replicate.dense().state, alone.dense().state)
    assert replicate.plan == alone.plan


def test_replicates_differ_in_kernels_and_generators():
    trainer = trainer_of(unseeded, replicates=3)
    states = [
        trainer.with_plan(trainer.plan.of_replicate(number), number).dense().state
        for number in range(3)
    ]
    for pair in itertools.combinations(states, 2):
        generators = {name for name in states[0] if name.startswith("random:")}
        assert set(differing(*pair)) == {*kernels(states[0]), *generators}
        assert len(generators) == 1


def test_a_function_that_returns_another_model_is_an_error_that_names_what_differs():
    sizes = iter([5, 6])

    def wider():
        hidden = layers.Dense(next(sizes), name="hidden")
        logits = layers.Dense(CLASSES, name="logits")
        return compiled(keras.Sequential([keras.Input((FEATURES,)), hidden, logits]))

    with pytest.raises(ValueError, match="must return the same model") as error:
        trainer_of(wider).draw(1)
    for path in ("hidden/kernel", "hidden/bias", "logits/kernel"):
        assert repr(path) in str(error.value)


# Trained or loaded weights are no draw, and replicates of them would not be alike.


def test_replicate_0_of_a_built_model_has_its_weights_as_passed():
    model = compiled(with_state())
    trainer = trainer_of(model, replicates=2)
    state = trainer.with_plan(trainer.plan.of_replicate(0), 0).dense().state
    for weight in model.weights:
        assert (state[weight.name.split(":")[0]] == weight.numpy()).all()
    other = trainer.with_plan(trainer.plan.of_replicate(1), 1).dense().state
    assert set(differing(state, other)) == {*kernels(state), "random:drop"}


def test_a_trained_model_has_no_replicates_and_says_why():
    model = compiled(with_state())
    model.fit(batches(), verbose=0)
    with pytest.raises(ValueError, match="Other replicates draw") as error:
        trainer_of(model, replicates=2)
    for part in ("'hidden/bias'", "'norm/gamma'", "trained, or loaded", "a function"):
        assert part in str(error.value)
    assert "moving_mean" not in str(error.value)
    trainer_of(model)  # one search goes on from them
    with pytest.warns(UserWarning, match="replicates start from the same weights"):
        trainer_of(lambda: model, replicates=2)  # and so does who says how


def test_a_function_that_sets_a_seed_itself_is_told_so_before_training():
    with pytest.warns(UserWarning, match="or sets a seed itself"):
        trainer_of(lambda: compiled(with_state()), replicates=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer_of(unseeded, replicates=2, seed=1)


def test_kernels_of_another_distribution_are_found():
    model = functional(layers.Dense(64, name="wide"))
    kernel = model.get_layer("wide").kernel
    kernel.assign(tf.random.stateless_normal(kernel.shape, [1, 2]))
    with pytest.raises(ValueError, match="whose 'wide/kernel' are not as"):
        trainer_of(model, replicates=2)


INITIALISERS = [
    *("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal"),
    *("random_normal", "random_uniform", "truncated_normal", "orthogonal"),
    *("zeros", "ones", "identity"),
    initializers.VarianceScaling(2.0, "fan_avg", "untruncated_normal"),
    initializers.RandomNormal(1.0, 0.001, seed=5),
]


@pytest.mark.slow
def test_no_seed_of_any_initialiser_is_taken_for_trained_weights():
    """200 arrays, small and large; a false alarm would refuse a search."""

    def dense(width, initializer):
        of_bias = "zeros" if initializer in ("orthogonal", "identity") else initializer
        return layers.Dense(
            width, kernel_initializer=initializer, bias_initializer=of_bias
        )

    keras.utils.set_random_seed(0)
    for width in (3, 64, 40, 8, 100, 16, 1):
        hidden = [dense(width, each) for each in INITIALISERS]
        model = keras.Sequential([keras.Input((FEATURES,)), *hidden])
        weights = {p: w.numpy() for p, w in named_weights(model).items()}
        assert len(weights) == 2 * len(INITIALISERS)
        Source(bindings.of(model), model, model, None, None).check(weights)
