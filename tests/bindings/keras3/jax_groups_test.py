"""JAX: a group of steps is one program, and has the bits of Keras' own steps."""

import gc
import itertools

import keras
import numpy as np
import pytest

from tests.bindings.keras3 import models
from tests.bindings.keras3.models import BACKEND, layers
from tests.bindings.keras3.models import compiled as compiled_by_keras
from tf_lottery.bindings.keras3.data import arrays
from tf_lottery.bindings.keras3.data.in_memory import InMemory

if BACKEND != "jax":
    pytest.skip("The engine of JAX.", allow_module_level=True)

import jax

from tf_lottery.bindings.keras3.engines import jax as engines
from tf_lottery.bindings.keras3.engines import jax_groups

ROWS, BATCH = 70, 16  # the fifth batch of a pass has six rows
STEPS = 12
X, Y = models.arrays(ROWS, seed=5)
WEIGHTS = np.linspace(0.5, 2, ROWS, dtype="float32")
SOURCE = InMemory((X, Y, WEIGHTS), BATCH)


def orders():
    return (np.random.RandomState(n).permutation(ROWS) for n in itertools.count())


def of_rows():
    return SOURCE.batches(orders())


def of_python():
    """The same batches, which nobody knows before they are read."""
    return iter(list(itertools.islice(of_rows(), STEPS)))


def kinds(model):
    return (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )


def state(model):
    return tuple([variable.value for variable in kind] for kind in kinds(model))


def compiled():
    model = models.with_state()
    model._symbolic_build(data_batch=next(of_rows()))
    model.reset_metrics()
    return model


def engine_of(group=50):
    """An engine, and the state of its model before the first step."""
    engine = engines.Engine(compiled(), group, 1)
    engine.first = jax.tree.map(np.array, state(engine.model))
    return engine


@pytest.fixture(scope="module")
def engine():
    return engine_of()


def begin(engine):
    for variables, values in zip(kinds(engine.model), engine.first, strict=True):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    engine.begin(0)


def trained(engine, batches, *sizes):
    """The state after groups of steps of these sizes, and the last logs."""
    begin(engine)
    for size in sizes:
        logs = engine.train(batches, size)
    assert engine.steps == sum(sizes)
    leaves = jax.tree.leaves(state(engine.model))
    return [np.asarray(leaf).tobytes() for leaf in leaves], logs


@pytest.fixture(scope="module")
def expected():
    """What Keras' own compiled step gives."""
    model, batches = compiled(), of_rows()
    step, values = jax.jit(model.train_step), state(model)
    for batch in itertools.islice(batches, STEPS):
        logs, values = step(values, batch)
    found = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(values)]
    return found, {name: float(value) for name, value in logs.items()}


@pytest.mark.parametrize("read", [of_rows, of_python])
@pytest.mark.parametrize("sizes", [[STEPS], [1] * STEPS, [2, 7, 3]])
def test_a_group_has_the_bits_of_steps_of_keras(expected, engine, read, sizes):
    assert trained(engine, read(), *sizes) == expected


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="Loops are fast there.")
def test_convolutions_on_a_cpu_are_taken_one_by_one():
    """In a loop they are ten times slower, and have other bits."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(48, 8, 8, 2)).astype("float32")
    data, batch = InMemory((x, np.arange(48) % 3), 16), 16

    def convolutional():
        keras.utils.set_random_seed(0)
        parts = [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)]
        model = compiled_by_keras(keras.Sequential([keras.Input(x.shape[1:]), *parts]))
        model._symbolic_build(data_batch=(x[:batch], data.rows[1][:batch]))
        model.reset_metrics()
        return model

    expected = convolutional()
    step, values = jax.jit(expected.train_step), state(expected)
    for each in data.batches([np.arange(48)]):
        _, values = step(values, each)
    model = convolutional()
    engines.Engine(model, 50, 1).train(data.batches([np.arange(48)]), 3)
    for ours, theirs in zip(
        jax.tree.leaves(state(model)), jax.tree.leaves(values), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_rows_that_do_not_fit_are_sent_in_groups(expected, engine, monkeypatch):
    monkeypatch.setattr(jax_groups, "room", lambda: 100)
    sources = jax_groups.Sources(50)
    monkeypatch.setattr(engine, "_sources", sources)
    assert trained(engine, of_rows(), STEPS) == expected
    assert [*sources.rows._kept.values()] == [None]


@pytest.mark.slow
@pytest.mark.parametrize("room", [1, 3 * X[:BATCH].nbytes])
def test_groups_of_batches_are_cut_to_what_may_be_sent(expected, monkeypatch, room):
    monkeypatch.setattr(jax_groups, "_STACKED_BYTES", room)
    assert trained(engine_of(), of_python(), STEPS) == expected


@pytest.mark.slow
def test_groups_are_cut_to_their_longest(expected):
    assert trained(engine_of(3), of_rows(), *[3] * (STEPS // 3)) == expected


@pytest.mark.parametrize("read", [of_python, lambda: SOURCE.batches([np.arange(ROWS)])])
def test_data_that_end_in_a_group_are_trained_on_up_to_there(engine, read):
    begin(engine)
    left = len(list(read()))
    with pytest.raises(StopIteration):
        engine.train(read(), left + 1)
    assert engine.steps == left


def test_the_step_is_traced_once_for_batches_of_a_shape(engine):
    for read in (of_rows, of_python):
        trained(engine, read(), 1, 5, 2, 4)
    # Whole batches, and the last of a pass.
    assert engine.traces == 2


@pytest.mark.parametrize("size", [1, 2, 50])
def test_an_evaluation_is_the_same_in_groups(engine, size):
    begin(engine)
    in_order = SOURCE.batches([np.arange(ROWS)])
    logs, number = engine.evaluate(in_order, size, None)
    assert number == SOURCE.length
    model = compiled()
    assert logs == model.evaluate(X, Y, BATCH, 0, WEIGHTS, return_dict=True)


def test_rows_on_the_device_go_with_their_data():
    sources, source = jax_groups.Sources(5), InMemory((X, Y), BATCH)
    list(sources(source.batches([np.arange(ROWS)]), None, 5))
    assert len(sources.rows._kept) == 1
    del source
    gc.collect()
    assert len(sources.rows._kept) == 0


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_positions_are_those_of_batches(most):
    batches, found = of_rows(), []
    while len(found) < STEPS:
        for positions in batches.positions(min(most, STEPS - len(found))):
            found.append(arrays.taken(SOURCE.rows, positions))
    for taken, batch in zip(found, of_rows(), strict=False):
        for one, other in zip(taken, batch, strict=True):
            np.testing.assert_array_equal(one, other)


def test_batches_are_skipped_and_end_with_their_orders():
    order = np.arange(ROWS)[::-1]
    batches = list(SOURCE.batches([order], skipped=3))
    assert [len(x) for x, _, _ in batches] == [16, 6]
    np.testing.assert_array_equal(batches[0][0], X[order[48:64]])
