"""One architecture has the same weights in both Kerases, and tickets fit both."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tf_keras

from tests.bindings.keras3 import architecture
from tests.bindings.keras3.models import BACKEND
from tests.fakes import outcome
from tf_lottery import bindings, find_ticket, transfer
from tf_lottery.core.controls import Context, random_mask
from tf_lottery.core.criteria import random
from tf_lottery.core.masks import Masks
from tf_lottery.core.prune import prune
from tf_lottery.core.ticket import Ticket

KERASES = {"tf_keras": tf_keras, "keras3": keras}
TOLERANCE = 1e-6
slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings(
    "ignore:The ticket has no masks|Without|No verdict"
)


@pytest.fixture(scope="module")
def made():
    """The architecture as a model of each Keras."""
    return {name: architecture.made(each) for name, each in KERASES.items()}


@pytest.fixture(scope="module")
def dense(made):
    """A ticket of each model with all its weights."""
    mask = Masks.full({"conv2d/kernel": (3, 3, 3, 4)})
    return {
        name: transfer(Ticket(mask, {}), model, weights=False)
        for name, model in made.items()
    }


@pytest.fixture(scope="module")
def pruned(dense):
    """The same tickets with half of the weights, drawn by path."""
    return {
        name: Ticket(
            prune(each.masks, random(each, outcome(each.weights)), 0.5),
            each.state,
            architecture=each.architecture,
        )
        for name, each in dense.items()
    }


def examples():
    draw = np.random.default_rng(0)
    image = draw.normal(size=(4, 12, 12, 3)).astype("float32")
    return [image, draw.integers(0, 20, (4, 10)).astype("int32")]


def outputs(model):
    return np.array(model.predict(examples(), verbose=0))


@slow
def test_weights_have_the_same_paths_and_shapes(made, dense):
    ours, theirs = (
        {path: array.shape for path, array in dense[name].weights.items()}
        for name in KERASES
    )
    assert len(made["keras3"].layers) >= 30
    assert ours == theirs
    assert dense["keras3"].masks.shapes == dense["tf_keras"].masks.shapes


@slow
@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_ties_are_broken_alike(dense, scope):
    ours, theirs = (
        prune(
            each.masks,
            {p: np.ones(s) for p, s in each.masks.shapes.items()},
            0.3,
            scope=scope,
        )
        for each in dense.values()
    )
    assert ours == theirs


@slow
def test_what_is_drawn_at_random_is_the_same(pruned):
    ours, theirs = pruned.values()
    assert ours.masks == theirs.masks
    ours, theirs = (
        random_mask(each, Context(7, draw=lambda seed, each=each: each.state))
        for each in pruned.values()
    )
    assert ours.masks == theirs.masks != pruned["keras3"].masks


@slow
@pytest.mark.parametrize("name", KERASES)
def test_a_ticket_computes_the_same_in_a_model_of_the_other_keras(name, made, pruned):
    ticket = pruned[name]
    ours, theirs = (outputs(ticket.apply(model)) for model in made.values())
    assert np.abs(ours - theirs).max() < TOLERANCE
    assert len(np.unique(ours)) > 1


ON_ANOTHER_BACKEND = """
import sys
import keras
import numpy as np
from tests.bindings.keras3 import architecture
from tf_lottery import Ticket

ticket = Ticket.load(sys.argv[1])
examples = np.load(sys.argv[2])
model = ticket.apply(architecture.made(keras))
found = model.predict([examples["image"], examples["words"]], verbose=0)
np.save(sys.argv[3], np.array(found))
"""


@slow
@pytest.mark.parametrize("backend", sorted({"jax", "tensorflow", "torch"} - {BACKEND}))
def test_a_ticket_computes_the_same_on_another_backend(backend, made, pruned, tmp_path):
    given, found = tmp_path / "examples.npz", tmp_path / "found.npy"
    image, words = examples()
    np.savez(given, image=image, words=words)
    pruned["keras3"].save(tmp_path / "ticket")
    subprocess.run(
        [sys.executable, "-c", ON_ANOTHER_BACKEND, tmp_path / "ticket", given, found],
        env=os.environ | {"KERAS_BACKEND": backend},
        check=True,
    )
    expected = outputs(pruned["keras3"].apply(made["keras3"]))
    assert np.abs(np.load(found) - expected).max() < TOLERANCE


@slow
@pytest.mark.parametrize("name", KERASES)
def test_a_ticket_is_transferred_to_a_model_of_the_other_keras(name, made, pruned):
    ticket, other = pruned[name], next(key for key in KERASES if key != name)
    found = transfer(ticket, made[other], weights=True)
    assert found.masks == ticket.masks
    model = found.model()
    assert isinstance(model, KERASES[other].Model)
    expected = outputs(ticket.apply(made[name]))
    assert np.abs(outputs(model) - expected).max() < TOLERANCE


@pytest.mark.parametrize("name", KERASES)
def test_the_model_of_a_ticket_is_of_the_keras_that_found_it(name, tmp_path):
    keras = KERASES[name]
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    model.compile("sgd", "mse")
    data = np.ones((8, 6), "float32"), np.ones((8, 4), "float32")
    found = find_ticket(model, data, 1, epochs=1, verbose=0)
    assert isinstance(found.model(), keras.Model)
    found.save(tmp_path / "ticket.safetensors")
    loaded = Ticket.load(tmp_path / "ticket.safetensors")
    assert isinstance(loaded.model(), keras.Model)
    assert bindings.name_of(loaded.architecture) == name
