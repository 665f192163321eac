"""Data in each form that Keras' `fit` takes: a search sees what `fit` sees.

One step on all rows, in which their order is of no account, gives the same loss.
"""

import numpy as np
import pytest
import scipy.sparse

from tests.models import CLASSES, EXAMPLES, arrays, keras, tf
from tf_lottery import find_ticket
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer

slow = pytest.mark.slow
layers = keras.layers
ROWS = tf.data.Dataset.from_tensor_slices
X, Y = arrays()
W = np.random.default_rng(1).random(EXAMPLES).astype(np.float32)
KINDS = {0: 1.0, 1: 2.0, 2: 3.0}


def model_of(inputs, outputs=1):
    """A classifier of all inputs, with the same weights each time."""
    keras.utils.set_random_seed(1)
    flat = tf.nest.flatten(inputs)
    found = layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    kinds = [
        layers.Dense(CLASSES, name=name, activation="softmax")(found)
        for name in ("kind", "other")[:outputs]
    ]
    model = keras.Model(inputs, kinds if outputs > 1 else kinds[0])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def inputs(*names, **more):
    return [keras.Input((X.shape[1],), name=name, **more) for name in names]


def one(**more):
    return model_of(inputs("a", **more)[0])


def two(outputs=1):
    return model_of(inputs("a", "b"), outputs)


def by_key():
    a, b = inputs("a", "b")
    return model_of({"a": a, "b": b})


def nested():
    a, b, c = inputs("a", "b", "c")
    return model_of([a, (b, c)])


def ragged():
    keras.utils.set_random_seed(1)
    ids = keras.Input((None,), dtype="int64", ragged=True)
    mean = layers.Lambda(lambda t: tf.reduce_mean(t, 1))
    out = layers.Dense(CLASSES, activation="softmax", name="kind")
    model = keras.Model(ids, out(mean(layers.Embedding(10, 4)(ids))))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def with_two_outputs():
    return two(2)


class Whole(keras.utils.Sequence):
    """One batch of all rows."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return X, Y


FORMS = {
    "NumPy": (one, X, Y),
    "float64": (one, X.astype(np.float64), Y),
    "tensors": (one, tf.constant(X), tf.constant(Y)),
    "lists": (one, X.tolist(), Y.tolist()),
    "a column of labels": (one, X, Y[:, None]),
    "ragged": (ragged, tf.ragged.constant([[v] * (v + 1) for v in Y]), Y),
    "sparse": (lambda: one(sparse=True), tf.sparse.from_dense(X), Y),
    "sparse for dense": (one, tf.sparse.from_dense(X), Y),
    "SciPy": (lambda: one(sparse=True), scipy.sparse.csr_matrix(X), Y),
    "list of inputs": (two, [X, 2 * X], Y),
    "tuple of inputs": (two, (X, 2 * X), Y),
    "dict by name": (two, {"b": 2 * X, "a": X}, Y),
    "dict by key": (by_key, {"b": 2 * X, "a": X}, Y),
    "nested": (nested, (X, (2 * X, 3 * X)), Y),
    "nested, flat": (nested, [X, 2 * X, 3 * X], Y),
    "tuple of outputs": (with_two_outputs, [X, 2 * X], (Y, 2 - Y)),
    "dict of outputs": (with_two_outputs, [X, 2 * X], {"other": 2 - Y, "kind": Y}),
    "one output of two": (with_two_outputs, [X, 2 * X], {"other": Y}),
    "weights": (one, X, Y, W),
    "a column of weights": (one, X, Y, W[:, None]),
    "weights for two": (with_two_outputs, [X, X], [Y, 2 - Y], W),
    "weights by output": (with_two_outputs, [X, X], [Y, 2 - Y], {"other": W}),
    "dataset": (one, ROWS((X, Y, W)).batch(EXAMPLES)),
    "sequence": (one, Whole()),
}


def first_loss(model, data, **more):
    trainer = Trainer(model, data, Plan(batch_size=more.pop("rows", None)), **more)
    return trainer.train(trainer.dense()).curves["loss"][0]


ALWAYS = ("NumPy", "sparse for dense", "dict by key", "nested", "weights by output")


@pytest.mark.first_case
@pytest.mark.parametrize(
    "form",
    [form if form in ALWAYS else pytest.param(form, marks=slow) for form in FORMS],
)
def test_a_form_is_to_a_search_what_it_is_to_fit(form):
    make, *data = FORMS[form]
    x, y, weights = (*data, None, None)[:3]
    rows = EXAMPLES if len(data) > 1 else None
    asked = {"batch_size": rows, "sample_weight": weights, "verbose": 0}
    wanted = make().fit(x, y, **asked).history["loss"][0]
    found = first_loss(make(), tuple(data) if y is not None else x, rows=rows)
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("weights", [None, W], ids=["alone", "and of examples"])
def test_class_weights_are_to_a_search_what_they_are_to_fit(weights):
    asked = {"batch_size": EXAMPLES, "class_weight": KINDS, "verbose": 0}
    history = one().fit(X, Y, sample_weight=weights, **asked).history
    data = (X, Y) if weights is None else (X, Y, weights)
    found = first_loss(one(), data, rows=EXAMPLES, class_weight=KINDS)
    assert found == pytest.approx(history["loss"][0], rel=1e-5)


# What `fit` takes and a search does not: named in the guide.


def generated():
    yield X, Y


REFUSED = {
    "generator": (one, generated(), "a generator can be read once.*function of the"),
    "distributed": (
        one,
        tf.distribute.MirroredStrategy(["CPU:0"]).experimental_distribute_dataset(
            ROWS((X, Y)).batch(16)
        ),
        "a batched tf.data.Dataset.*Received: DistributedDataset",
    ),
    "an output without": (with_two_outputs, ([X, X], [Y, None]), "dict of the others"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_a_form_that_a_search_does_not_take_is_one_error(form):
    make, data, said = REFUSED[form]
    with pytest.raises((ValueError, TypeError), match=said) as caught:
        find_ticket(make(), data, 1, verbose=0)
    assert "\n" not in str(caught.value)
