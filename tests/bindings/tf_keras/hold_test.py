"""Masks hold in Keras' own `fit`, however a wrapped model is compiled and trained.

`tests/bindings/hold_test.py` says it of the steps of each optimizer.
"""

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
    tf,
    tiny,
    with_state,
)
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.tfmot.wrap import compile_like, mask_variables, wrap
from tf_lottery.core.masks import Masks

slow = pytest.mark.slow
new, legacy = keras.optimizers, keras.optimizers.legacy

OPTIMIZERS = {
    "Adam": lambda: new.Adam(0.01),
    "Ftrl": lambda: new.Ftrl(
        0.1, l1_regularization_strength=1e-5, l2_shrinkage_regularization_strength=0.01
    ),
    "legacy Adam": lambda: legacy.Adam(0.01, amsgrad=True),
}


def drawn(shapes, density, seed=0):
    rng = np.random.default_rng(seed)
    return Masks({path: rng.random(shape) < density for path, shape in shapes.items()})


def both(masks, others):
    return Masks({path: masks[path] & others[path] for path in masks})


def rewound_twice(optimizer, make=tiny, **arguments):
    """Trains densely, then from there with masks, then with sparser ones."""
    model = wrap(make())
    compiled(model, optimizer, **arguments)
    live, watch, data = Live(model), Watch(), batches().repeat()
    steps = max(6, 2 * arguments.get("steps_per_execution", 1))
    model.fit(data, steps_per_epoch=steps, verbose=0)
    snapshot, masks = live.read(), drawn(live.shapes, 0.6)
    for seed in (1, 2):
        live.assign(snapshot, masks)
        model.fit(data, steps_per_epoch=steps, verbose=0, callbacks=[watch])
        masks = both(masks, drawn(live.shapes, 0.5, seed))
    return model, live, watch


def assert_held(watch):
    assert watch.calls >= 8
    assert watch.leaks == 0
    assert watch.dead == 0  # and the survivors are alive


def held_masks(model, live):
    """The masks that the model holds, by path."""
    held = mask_variables(model)
    return {path: held[live.weights[path].ref()][0].numpy() for path in live.shapes}


@pytest.mark.parametrize(
    "how",
    [
        {"steps_per_execution": 10},
        {"run_eagerly": True},
        pytest.param({"jit_compile": True}, marks=slow),
        pytest.param({"steps_per_execution": 50}, marks=slow),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["Adam", pytest.param("Ftrl", marks=slow)])
def test_pruned_weights_are_zero_however_the_step_is_compiled(name, how):
    assert_held(rewound_twice(OPTIMIZERS[name](), **how)[2])


@pytest.mark.first_case
@pytest.mark.parametrize("name", ["Adam", "legacy Adam"])
@pytest.mark.parametrize(
    "policy", [pytest.param("mixed_bfloat16", marks=slow), "mixed_float16"]
)
def test_pruned_weights_are_zero_in_mixed_precision(name, policy, global_policy):
    global_policy(policy)
    model, _, watch = rewound_twice(OPTIMIZERS[name]())
    scaled = isinstance(model.optimizer, keras.mixed_precision.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    assert_held(watch)


def test_pruned_weights_are_zero_after_train_on_batch():
    model, _, watch = rewound_twice(new.Adam(0.01))
    model.train_on_batch(*arrays(16))
    watch.on_train_batch_end(0)
    assert_held(watch)


def test_a_second_compile_keeps_the_masks():
    model, live, watch = rewound_twice(new.Adam(0.01))
    compiled(model, new.SGD(0.1, momentum=0.9))
    model.fit(batches(), verbose=0, callbacks=[watch])
    assert_held(watch)
    assert any((mask == 0).any() for mask in held_masks(model, live).values())


def of_roots(weights):
    """A penalty whose gradient is NaN where a weight is zero."""
    return 1e-3 * tf.reduce_sum(tf.sqrt(tf.abs(weights)))


def test_a_gradient_of_a_pruned_weight_may_be_nan():
    def make():
        hidden = layers.Dense(9, kernel_regularizer=of_roots)
        return keras.Sequential([keras.Input((FEATURES,)), hidden, layers.Dense(3)])

    with keras.utils.custom_object_scope({"of_roots": of_roots}):
        _, live, watch = rewound_twice(new.Adam(0.01), make)
    assert_held(watch)
    assert all(np.isfinite(value).all() for value in live.read_weights().values())


def test_an_embeddings_sparse_gradient_is_masked():
    def make():
        return keras.Sequential(
            [
                keras.Input((4,), dtype="int32"),
                layers.Embedding(9, 5, name="words"),
                layers.Flatten(),
                layers.Dense(CLASSES, name="logits"),
            ]
        )

    rng = np.random.default_rng(0)
    words, classes = rng.integers(0, 9, (64, 4)), rng.integers(0, CLASSES, 64)
    model, watch = wrap(make()), Watch()
    compiled(model, new.Adam(0.05))
    live = Live(model)
    model.fit(words, classes, batch_size=16, verbose=0)
    live.assign(live.read(), drawn(live.shapes, 0.5))
    before = live.read_weights()["words/embeddings"]
    model.fit(words, classes, batch_size=16, verbose=0, callbacks=[watch])
    assert watch.leaks == 0
    assert (live.read_weights()["words/embeddings"] != before).any()


@pytest.mark.first_case
@pytest.mark.parametrize("group", [1, pytest.param(5, marks=slow), 50])
def test_with_full_masks_training_is_the_unwrapped_models_bit_for_bit(group):
    plain = compiled(with_state(dropout=0.0))
    masked = wrap(plain)
    compile_like(masked, plain, steps_per_execution=group)
    data = batches().repeat()
    plain.fit(data, steps_per_epoch=50, verbose=0)  # single steps
    masked.fit(data, steps_per_epoch=50, verbose=0)
    weights = Live(masked).read_weights()
    expected = {w.name.split(":")[0]: w.numpy() for w in plain.weights}
    assert weights.keys() == expected.keys()
    assert all((weights[name] == expected[name]).all() for name in expected)


def test_masks_of_one_weight_in_two_wrappers_change_together():
    inputs = keras.Input((FEATURES,))
    shared = layers.Dense(FEATURES, name="shared")
    inner = keras.Sequential([keras.Input((FEATURES,)), shared], name="inner")
    outer = keras.Model(inputs, layers.Dense(CLASSES)(inner(shared(inputs))))
    model = compiled(wrap(outer))
    live, watch = Live(model), Watch()
    model.fit(batches(), verbose=0)
    live.assign(live.read(), drawn(live.shapes, 0.5))
    model.fit(batches(), verbose=0, callbacks=[watch])
    copies = mask_variables(model)[live.weights["shared/kernel"].ref()]
    assert len(copies) == 2
    assert (copies[0].numpy() == copies[1].numpy()).all()
    assert (copies[0].numpy() == 0).any()
    assert watch.leaks == 0
