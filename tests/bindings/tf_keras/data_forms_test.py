"""Searches with data in the forms that Keras' `fit` takes: they train, and resume."""

import numpy as np
import pytest
import scipy.sparse

from tests.bindings.tf_keras.forms import (
    Changing,
    Sequence,
    endless,
    generated,
    seeded_data,
    unknown,
)
from tests.fakes import Killed
from tests.models import (
    FEATURES,
    STEPS,
    arrays,
    batches,
    compiled,
    equal,
    keras,
    layers,
    mirrored,
    tf,
    tiny,
)
from tests.training.trainings import Kill, assert_same_rounds
from tf_lottery import find_ticket
from tf_lottery.bindings.tf_keras.checks.examples import check_examples
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer

slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings(
    "ignore:No ticket|The ticket matches|Without|No verdict"
)


FORMS = {
    "sequence": (Sequence, {}),
    "sequence that changes": (lambda: lambda seed: Changing(), {}),
    "function that generates": (lambda: generated, {}),
    "generated for steps": (lambda: lambda seed: endless(), {"steps_per_epoch": 4}),
    "unknown length": (lambda: lambda seed: unknown(), {}),
}


def searched(form, run_dir, *kill):
    data, more = FORMS[form]
    callbacks = [Kill(*kill)] if kill else []

    def in_round(round, replicate, control):
        return callbacks if round == 1 else []

    model = compiled(tiny())
    try:
        return find_ticket(
            model,
            data(),
            1,
            epochs=2,
            validation_data=Sequence(2),
            run_dir=run_dir,
            callbacks=in_round,
            verbose=0,
            **more,
        )
    except Killed:
        return None


@pytest.mark.slow
@pytest.mark.first_case
@pytest.mark.parametrize(
    "form",
    [
        *("sequence that changes", "unknown length"),
        pytest.param("function that generates", marks=slow),
        *(
            pytest.param(name, marks=slow)
            for name in ("sequence", "generated for steps")
        ),
    ],
)
def test_a_search_in_this_form_is_resumed_bit_for_bit(form, tmp_path, always_written):
    whole = searched(form, tmp_path / "whole")
    assert searched(form, tmp_path / "killed", "on_epoch_begin", 1) is None
    resumed = searched(form, tmp_path / "killed")
    assert_same_rounds(resumed.history, whole.history)


def test_a_generator_that_was_passed_as_it_is_can_be_resumed(tmp_path, always_written):
    def search(*kill):
        try:
            return find_ticket(
                compiled(tiny()),
                endless(),
                1,
                steps_per_epoch=4,
                run_dir=tmp_path,
                callbacks=[Kill(*kill)] if kill else [],
                verbose=0,
            )
        except Killed:
            return None

    assert search("on_train_end") is None
    assert len(search().history) == 2


def test_the_order_of_a_counted_dataset_is_its_own():
    """Counted or promised, it trains the same; only the first shuffle is counting's."""
    data = batches().filter(lambda x, y: True)
    promise = tf.data.experimental.assert_cardinality(STEPS)
    outcomes = []
    for each in (data, data.apply(promise)):
        trainer = Trainer(compiled(tiny()), each, Plan())
        outcomes.append(trainer.train(trainer.dense()))
    assert all(equal(outcomes[0].weights, each.weights) for each in outcomes[1:])


def strings_model():
    keras.utils.set_random_seed(1)
    text = keras.Input((1,), dtype=tf.string, name="text")
    code = layers.Hashing(10)(text)
    flat = layers.Flatten()(layers.Embedding(10, 4, name="embedding")(code))
    return compiled(keras.Model(text, layers.Dense(3, name="logits")(flat)))


def ragged_model():
    keras.utils.set_random_seed(1)
    ids = keras.Input((None,), dtype="int64", ragged=True, name="ids")
    mean = layers.Lambda(lambda t: tf.reduce_mean(t, 1))
    vectors = mean(layers.Embedding(10, 4, name="embedding")(ids))
    return compiled(keras.Model(ids, layers.Dense(3, name="logits")(vectors)))


def sparse_model():
    keras.utils.set_random_seed(1)
    x = keras.Input((FEATURES,), sparse=True, name="x")
    return compiled(keras.Model(x, layers.Dense(3, name="logits")(x)))


def rows_of(form):
    x, y = arrays()
    words = np.array(["red", "blue", "green"], object)[y]
    return {
        "strings": (strings_model, words),
        "ragged": (ragged_model, tf.ragged.constant([[v] * (v + 1) for v in y])),
        "sparse": (sparse_model, tf.sparse.from_dense(x)),
        "SciPy": (sparse_model, scipy.sparse.csr_matrix(x)),
    }[form]


@pytest.mark.first_case
@pytest.mark.parametrize(
    "form", ["strings", "ragged", "sparse", pytest.param("SciPy", marks=slow)]
)
def test_rows_of_other_kinds_train(form):
    model, x = rows_of(form)
    data = x, arrays()[1]
    trainer = Trainer(model(), data, Plan(epochs=3), validation_data=data)
    outcome = trainer.train(trainer.dense())
    assert outcome.curves["loss"][-1] < outcome.curves["loss"][0]
    assert "val_loss" in outcome.metrics


def brings_its_loss():
    model = tiny()
    model = keras.Model(model.inputs, model.outputs)
    model.add_loss(tf.reduce_mean(tf.square(model.outputs[0])))
    model.compile("adam")
    return model


X_ALONE = {
    "x": lambda x: x,
    "(x,)": lambda x: (x,),
    "(x, None)": lambda x: (x, None),
    "dict": lambda x: {"features": x},
    "dataset of x": lambda x: tf.data.Dataset.from_tensor_slices(x).batch(32),
    "dataset of (x,)": lambda x: tf.data.Dataset.from_tensor_slices((x,)).batch(32),
}


@pytest.mark.parametrize("form", ["x", pytest.param("dataset of (x,)", marks=slow)])
def test_x_alone_trains_a_model_that_brings_its_loss(form):
    data = X_ALONE[form](arrays()[0])
    plan = Plan(epochs=2)
    trainer = Trainer(brings_its_loss(), data, plan, validation_data=data)
    curve = trainer.train(trainer.dense()).curves["val_loss"]
    assert curve[1] < curve[0]


def test_x_alone_may_have_any_form():
    model = brings_its_loss()
    for form in X_ALONE.values():
        data = form(arrays()[0])
        check_examples(model, seeded_data(data, data))


@pytest.mark.parametrize(
    "form",
    [
        Sequence,
        pytest.param(lambda: generated, marks=slow),
        pytest.param(unknown, marks=slow),
    ],
)
def test_replicas_share_what_python_and_unknown_datasets_give(form):
    outcomes = []
    for strategy in (None, mirrored()):
        trainer = Trainer(compiled(tiny()), form(), Plan(), strategy=strategy)
        outcomes.append(trainer.train(trainer.dense()))
    one, two = (outcome.weights for outcome in outcomes)
    assert all(np.allclose(one[name], two[name], atol=1e-5) for name in one)


def test_ragged_rows_are_not_shared_among_replicas():
    model, x = rows_of("ragged")
    with pytest.raises(ValueError, match="must be dense to be shared among replicas"):
        Trainer(model, (x, arrays()[1]), Plan(), strategy=mirrored())
