"""The copy that is trained: it computes what the model computes, and tfmot knows it."""

import numpy as np
import pytest

from tests.models import (
    CLASSES,
    FEATURES,
    Watch,
    arrays,
    batches,
    compiled,
    keras,
    layers,
    tiny,
    with_state,
)
from tf_lottery.bindings.tf_keras._imports import sparsity
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.tfmot.wrap import (
    compile_like,
    computes_in_half,
    copy_model,
    unwrap,
    wrap,
    wrappers,
)
from tf_lottery.core.masks import Masks


def half(shapes):
    """Masks that keep every second weight."""
    return Masks(
        {p: np.arange(np.prod(s)).reshape(s) % 2 == 0 for p, s in shapes.items()}
    )


@pytest.fixture
def masked():
    """A trained model with half of its weights."""
    model = compiled(wrap(with_state()))
    live = Live(model)
    live.assign(live.read(), half(live.shapes))
    model.fit(batches(), verbose=0)
    return model


def pruned_zeros(model):
    return sum(
        np.count_nonzero(weight.numpy()[mask.numpy() == 0] == 0)
        for wrapper in wrappers(model)
        for weight, mask, _ in wrapper.pruning_vars
    )


def test_only_layers_with_a_kernel_are_wrapped():
    assert [w.layer.name for w in wrappers(wrap(with_state()))] == ["hidden", "logits"]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_copy_computes_what_the_model_computes(policy, global_policy):
    global_policy(policy)
    model = tiny()
    x = arrays()[0]
    outputs = wrap(model)(x)
    assert outputs.dtype == model(x).dtype
    assert (outputs.numpy() == model(x).numpy()).all()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_model_keeps_its_own_policy_whatever_the_global_one(policy, global_policy):
    global_policy(policy)
    model = tiny()
    global_policy("float32")
    copy = wrap(model)
    assert [la.dtype_policy.name for la in copy_model(model).layers] == [policy] * 2
    assert (copy(arrays()[0]).numpy() == model(arrays()[0]).numpy()).all()


def test_the_global_policy_is_left_as_it_was(global_policy):
    global_policy("mixed_bfloat16")
    model = tiny()
    global_policy("float32")
    wrap(model)
    assert keras.mixed_precision.global_policy().name == "float32"


def test_an_activity_regularizer_counts():
    model = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.Dense(5, activity_regularizer="l2", kernel_regularizer="l2"),
            layers.Dense(CLASSES),
        ]
    )
    copy = wrap(compiled(model))
    compile_like(copy, model)
    expected = model.evaluate(*arrays(), verbose=0, return_dict=True)
    assert copy.evaluate(*arrays(), verbose=0, return_dict=True) == expected


def test_layers_inside_a_frozen_model_stay_frozen():
    block = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="block")
    block.trainable = False
    block.layers[0].trainable = True  # Keras: the model's flag decides
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2)(block(inputs)))
    assert len(model.trainable_weights) == 2
    assert len(wrap(model).trainable_weights) == 2


def test_a_shared_nested_model_stays_shared():
    block = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="block")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2)(block(block(inputs))))
    assert len(wrap(model).trainable_weights) == len(model.trainable_weights)


def test_a_layer_that_cannot_be_copied_is_named():
    class Stubborn(layers.Layer):
        def __init__(self, size):
            super().__init__(name="stubborn")
            self.size = size

        def call(self, inputs):
            return inputs * self.size

        def get_config(self):
            return {}

    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2)(Stubborn(3)(inputs)))
    with pytest.raises(ValueError, match=r"'stubborn' .*Stubborn"):
        wrap(model)


def test_random_layers_draw_from_variables():
    live = Live(wrap(with_state()))
    (name,) = (n for n in live.variables if n.startswith("random:"))
    assert name == "random:drop"


@pytest.mark.parametrize("seed", [0, 1])
def test_random_layers_start_from_the_seed(seed):
    def generator(seed):
        return Live(wrap(with_state(), seed)).read()["random:drop"]

    assert (generator(seed) == generator(seed)).all()
    assert (generator(seed) != generator(seed + 1)).any()


def test_half_precision_becomes_float32_in_each_layer(global_policy):
    global_policy("mixed_bfloat16")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    model = keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.Conv1D(4, 3, name="conv"),
            layers.BatchNormalization(),  # whose axis is a list once it is built
            layers.TimeDistributed(inner),
            layers.Bidirectional(layers.LSTM(2)),
        ]
    )
    global_policy("float32")
    assert all(map(computes_in_half, model.layers))
    single = unwrap(wrap(model), in_float32=True)
    assert not any(map(computes_in_half, single.layers))
    x = np.random.default_rng(0).standard_normal((3, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(single(x), model(x), atol=0.05)


def test_strip_pruning_gives_the_same_outputs_and_zeros(masked):
    x = arrays()[0]
    outputs = masked.predict(x, verbose=0)
    stripped = sparsity.strip_pruning(masked)
    assert (stripped.predict(x, verbose=0) == outputs).all()
    kernels = [la.kernel.numpy() for la in stripped.layers if hasattr(la, "kernel")]
    assert [np.count_nonzero(k == 0) for k in kernels] == [24, 9]


@pytest.mark.first_case
@pytest.mark.parametrize("suffix", [".keras", ".h5", ""])
def test_a_saved_model_loads_as_stock_tfmot_with_its_masks(masked, suffix, tmp_path):
    path = f"{tmp_path}/model{suffix}"
    masked.save(path)
    with sparsity.prune_scope():
        loaded = keras.models.load_model(path)
    assert all(type(w).__name__ == "PruneLowMagnitude" for w in wrappers(loaded))
    assert "call" not in vars(wrappers(loaded)[0])
    loaded.fit(batches(), verbose=0, callbacks=[sparsity.UpdatePruningStep()])
    assert pruned_zeros(loaded) == 24 + 9


def test_tfmots_own_callback_does_no_harm(masked):
    watch = Watch()
    callbacks = [watch, sparsity.UpdatePruningStep()]
    masked.fit(batches(), verbose=0, callbacks=callbacks)
    assert watch.calls and not watch.leaks


def test_compiling_alike_copies_what_has_state():
    metric = keras.metrics.SparseCategoricalAccuracy()
    model = compiled(tiny(), metrics=[metric], weighted_metrics=["accuracy"])
    copy = wrap(model)
    compile_like(copy, model)
    copy.fit(batches(), verbose=0)
    assert copy.optimizer is not model.optimizer
    assert int(model.optimizer.iterations) == 0
    assert float(metric.result()) == 0.0


def test_the_learning_rate_and_the_clipping_are_the_models():
    model = compiled(tiny(), keras.optimizers.AdamW(0.003, clipnorm=0.5, epsilon=1e-4))
    copy = wrap(model)
    compile_like(copy, model)
    assert copy.optimizer.get_config() == model.optimizer.get_config()


def test_an_adapted_normalization_is_copied_with_what_it_learnt():
    x, _ = arrays()
    adapted = layers.Normalization()
    adapted.adapt(5 * x + 3)
    model = keras.Sequential([keras.Input(x.shape[1:]), adapted, layers.Dense(3)])
    for copied in (wrap(model), unwrap(model), unwrap(wrap(model))):
        np.testing.assert_allclose(copied(x), model(x), rtol=1e-6)
