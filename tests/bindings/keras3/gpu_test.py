"""On a GPU: steps in groups have the bits of single steps, and masks hold.

`JAX_PLATFORMS=cpu` runs them on a CPU, to see that the tests themselves are right.
"""

import itertools
import os

import keras
import numpy as np
import pytest

from tests.bindings.keras3 import killing, models
from tests.bindings.keras3.models import BACKEND, layers
from tests.bindings.keras3.resume_test import killed
from tf_lottery import Plan, Trainer, find_ticket
from tf_lottery.core.masks import Masks
from tf_lottery.core.prune import prune

if BACKEND != "jax":
    pytest.skip("The engine of JAX.", allow_module_level=True)

import jax

from tf_lottery.bindings.keras3.engines import jax_groups
from tf_lottery.training import checkpoint

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore:No ticket|The ticket|A training continues"),
]
BATCH, STEPS, KEPT = 16, 12, 0.3
# Of outputs: products of float32 are in TF32 there, whose mantissa has 10 bits.
TOLERANCE = 5e-3


@pytest.fixture(autouse=True, scope="module")
def gpu():
    """A GPU, unless a CPU was asked for."""
    if os.environ.get("JAX_PLATFORMS") != "cpu":
        assert jax.default_backend() == "gpu"


def convolutional():
    """Two convolutions with statistics between them."""
    inside = [
        keras.Input((12, 12, 3)),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(10),
    ]
    return models.compiled(keras.Sequential(inside))


def lenet():
    inside = [keras.Input((784,)), layers.Dense(300, "relu"), layers.Dense(100, "relu")]
    return models.compiled(keras.Sequential([*inside, layers.Dense(10)]))


def data_of(model, rows=5 * BATCH + 3):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, *model.input_shape[1:])).astype("float32")
    return x, draw.integers(model.output_shape[-1], size=rows)


class Searched:
    """A masked copy of a model, which trains from one state as often as asked."""

    def __init__(self, model):
        trainer = Trainer(model, data_of(model), Plan(batch_size=BATCH))
        prepared = trainer._prepared
        self.engine, self.live = prepared.searched.engine, prepared.searched.live
        self.feed = prepared.data.feed
        self.first = self.live.read()
        scores = {path: np.abs(self.first[path]) for path in self.live.shapes}
        self.masks = prune(Masks.full(self.live.shapes), scores, 1 - KEPT)

    def trained(self, *sizes):
        """The state after groups of these sizes, from the first state."""
        self.live.assign(self.first, self.masks)
        self.engine.begin(0)
        self.engine.begin_epoch()
        batches = self.feed.begin().open(0)
        for size in sizes:
            self.engine.train(batches, size)
        return self.live.read()


@pytest.fixture(scope="module", params=[lenet, convolutional, models.with_state])
def searched(request):
    return Searched(request.param())


def differing(one, other):
    """The paths whose bits differ."""
    assert one.keys() == other.keys()
    return [
        p for p in one if np.array(one[p]).tobytes() != np.array(other[p]).tobytes()
    ]


def repeated(searched, *sizes):
    """The state after groups of these sizes, if it is the same each time."""
    one, other = (searched.trained(*sizes) for _ in range(2))
    if differing(one, other):
        pytest.skip("Its steps have other bits each time: cuDNN adds in any order.")
    return one


@pytest.mark.parametrize("sizes", [[STEPS], [2, 7, 3]])
def test_a_group_has_the_bits_of_single_steps(searched, sizes):
    single = repeated(searched, *[1] * STEPS)
    assert differing(single, searched.trained(*sizes)) == []


def test_rows_that_do_not_fit_are_sent_and_give_the_same_bits(searched, monkeypatch):
    expected = repeated(searched, STEPS)
    monkeypatch.setattr(jax_groups, "room", lambda: 100)
    sent = jax_groups.Sources(50)
    monkeypatch.setattr(searched.engine, "_sources", sent)
    assert differing(expected, searched.trained(STEPS)) == []
    assert [*sent.rows._kept.values()] == [None]


def test_pruned_weights_are_zero_after_each_step_and_survivors_train(searched):
    for steps in (1, STEPS):
        state = searched.trained(steps)
        for path, mask in searched.masks.items():
            assert not np.array(state[path])[~mask].view(np.uint32).any()
            assert (state[path] != searched.first[path])[mask].any()


def test_the_rows_lie_on_the_device(searched):
    searched.trained(STEPS)
    kept = searched.engine._sources.rows._kept.values()
    leaves = jax.tree.leaves(list(kept))
    assert leaves
    devices = itertools.chain.from_iterable(leaf.devices() for leaf in leaves)
    assert {each.platform for each in devices} == {jax.default_backend()}


def test_a_killed_search_ends_with_the_bits_of_one_that_was_not(tmp_path, monkeypatch):
    """Where two whole searches have the same bits; else it holds zeros and ends."""
    monkeypatch.setattr(checkpoint, "_SHARE", np.inf)
    assert killed(tmp_path / "killed", 4) is True
    ticket = killing.search(tmp_path / "killed")
    names = "killed", "whole", "again"
    for name in names[1:]:
        killing.search(tmp_path / name)
    found, whole, again = (killing.files(tmp_path / name) for name in names)
    assert found.keys() == whole.keys()
    for path, mask in ticket.masks.items():
        assert not ticket.outcome.weights[path][~mask].any()
    if whole == again:
        assert [name for name in found if found[name] != whole[name]] == []


def test_a_keras_file_computes_what_the_ticket_computes(tmp_path):
    x, y = data_of(lenet())
    given = {"epochs": 1, "batch_size": BATCH, "validation_data": (x, y), "verbose": 0}
    ticket = find_ticket(lenet(), (x, y), 1, **given)
    ticket.export(tmp_path / "ticket.keras", latency_runs=0, verbose=0)
    loaded = keras.saving.load_model(tmp_path / "ticket.keras")
    outputs = [each.predict(x, verbose=0) for each in (loaded, ticket.model("best"))]
    np.testing.assert_allclose(*outputs, rtol=TOLERANCE, atol=TOLERANCE)


def test_over_twenty_seeds_lanes_find_tickets_as_good_as_single_trainings():
    """Their bits may differ, and means of accuracies must not."""
    x, _ = data_of(lenet(), rows=1000)
    y = (x @ np.random.default_rng(1).normal(size=(784, 10))).argmax(1)
    given = {"rounds": 1, "steps": 150, "replicates": 20, "verbose": 0}
    given |= {"validation_data": (x[:500], y[:500]), "evaluate_every": 50}
    found = []
    for together in (1, 20):
        history = find_ticket(
            lenet(), (x[500:], y[500:]), together=together, **given
        ).history
        found.append(
            [[r.score("val_accuracy") for r in each] for each in history.replicates]
        )
    single, lanes = map(np.array, found)  # of (replicate, round)
    assert single.mean(0).min() > 0.15  # a tenth by chance
    differences = (lanes - single).mean(0)
    error = (lanes - single).std(0, ddof=1) / np.sqrt(20)
    assert (np.abs(differences) <= 3 * error + 1e-6).all(), (differences, error)
