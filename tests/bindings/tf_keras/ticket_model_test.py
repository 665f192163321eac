"""A ticket becomes a live model: also from a file, also in another process."""

import gc
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

from tests.models import (
    CLASSES,
    FEATURES,
    Watch,
    arrays,
    batches,
    compiled,
    equal,
    keras,
    layers,
    tf,
    tiny,
    with_state,
)
from tf_lottery import Ticket, TicketError, export, find_ticket
from tf_lottery.bindings.tf_keras.live import Live

slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Without")


def found(model, data=None, **arguments):
    plan = {"epochs": 2, "pruning_rate": 0.4} | arguments
    return find_ticket(
        model,
        batches() if data is None else data,
        2,
        validation_data=batches(32, 1) if data is None else None,
        verbose=0,
        **plan,
    )


@pytest.fixture(scope="module")
def ticket():
    with pytest.warns(UserWarning):
        return found(compiled(with_state()), rewind_to=4)


@pytest.fixture(scope="module")
def path(ticket, tmp_path_factory):
    path = tmp_path_factory.mktemp("ticket") / "ticket.safetensors"
    ticket.save(path)
    return path


def assert_trains_masked(model):
    watch = Watch()
    model.fit(batches(), verbose=0, callbacks=[watch])
    assert watch.calls and not watch.leaks


@pytest.mark.parametrize("weights", ["initial", "best", "final"])
def test_a_model_has_the_weights_that_were_asked_for(ticket, weights):
    expected = {
        "initial": ticket.weights,
        "best": ticket.outcome.best_weights,
        "final": ticket.outcome.weights,
    }[weights]
    assert equal(Live(ticket.model(weights)).read_weights(), dict(expected))


@pytest.mark.first_case
@pytest.mark.parametrize("weights", ["initial", "best", "final"])
def test_pruned_weights_stay_zero_when_the_model_is_trained(ticket, weights):
    assert_trains_masked(ticket.model(weights))


def test_the_initial_model_has_the_optimizer_as_it_was(ticket):
    model = ticket.model()
    assert int(model.optimizer.iterations) == ticket.step == 4
    assert Live(model).read().keys() == ticket.state.keys()
    (name,) = (n for n in ticket.state if n == "optimizer:logits/kernel/m")
    momentum, stored = Live(model).read()[name], ticket.state[name]
    mask = ticket.masks["logits/kernel"]
    assert stored.any()
    assert (momentum[mask] == stored[mask]).all()
    assert not momentum[~mask].any()


def test_the_model_goes_on_as_the_search_did(ticket):
    """From step 4 to 12: the search's own last training, bit for bit."""
    last = ticket.history[ticket.round]
    model = last.ticket.model()
    data = batches().skip(4).concatenate(batches())
    model.fit(data, verbose=0)
    assert equal(Live(model).read_weights(), dict(last.outcome.weights))


def test_the_best_models_metrics_are_those_of_the_search(ticket):
    model = ticket.model("best")
    expected = model.evaluate(batches(32, 1), verbose=0, return_dict=True)
    found = {k: ticket.outcome.metrics[f"val_{k}"] for k in expected}
    assert found == expected


def test_a_ticket_from_a_file_is_the_ticket(ticket, path):
    loaded = Ticket.load(path)
    loaded.verify()
    assert loaded.masks == ticket.masks
    assert equal(dict(loaded.weights), dict(ticket.weights))
    assert (loaded.step, loaded.round, loaded.plan) == (
        ticket.step,
        ticket.round,
        ticket.plan,
    )
    for weights in ("initial", "best", "final"):
        mine, theirs = (t.model(weights) for t in (loaded, ticket))
        assert equal(Live(mine).read_weights(), Live(theirs).read_weights())
    assert equal(Live(loaded.model()).read(), Live(ticket.model()).read())


FRESH = """
import sys
import numpy as np
from tests.models import arrays, batches, Watch
import tf_lottery
ticket = tf_lottery.Ticket.load(sys.argv[1])
ticket.verify()
model = ticket.model("best")
outputs = model.predict(arrays()[0], batch_size=32, verbose=0)
model, watch = ticket.model(), Watch()
start = int(model.optimizer.iterations)
model.fit(batches(), verbose=0, callbacks=[watch])
np.savez(sys.argv[2], outputs=outputs, start=start, leaks=watch.leaks,
         trained=model.predict(arrays()[0], verbose=0))
"""


@pytest.mark.slow
def test_a_ticket_works_after_it_was_pickled_and_its_search_is_gone():
    ticket = found(compiled(tiny()))
    expected = ticket.model("best").predict(arrays()[0], verbose=0)
    pickled = pickle.dumps(ticket)
    del ticket
    gc.collect()
    again = pickle.loads(pickled)
    assert (again.model("best").predict(arrays()[0], verbose=0) == expected).all()
    assert_trains_masked(again.model())
    assert len(again.history) == 3


@pytest.mark.slow
def test_a_ticket_works_in_a_fresh_process(ticket, path, tmp_path):
    root = pathlib.Path(__file__).parents[3]
    result = tmp_path / "result.npz"
    subprocess.run(
        [sys.executable, "-c", FRESH, path, result],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        check=True,
        capture_output=True,
    )
    theirs = np.load(result)
    outputs = ticket.model("best").predict(arrays()[0], batch_size=32, verbose=0)
    assert (theirs["outputs"] == outputs).all()
    assert (int(theirs["start"]), int(theirs["leaks"])) == (4, 0)
    model = ticket.model()
    model.fit(batches(), verbose=0)
    assert (theirs["trained"] == model.predict(arrays()[0], verbose=0)).all()


def test_a_ticket_is_applied_to_a_copy_of_a_model(ticket):
    model = compiled(with_state(), keras.optimizers.SGD(0.1))
    before = model.get_weights()
    applied = ticket.apply(model)
    assert equal(Live(applied).read_weights(), dict(ticket.weights))
    assert isinstance(applied.optimizer, keras.optimizers.SGD)
    assert_trains_masked(applied)
    after = model.get_weights()
    assert all((a == b).all() for a, b in zip(after, before, strict=True))


def test_a_ticket_is_applied_to_a_model_that_is_not_compiled(ticket):
    applied = ticket.apply(with_state())
    assert applied.optimizer is None
    assert_trains_masked(compiled(applied))


def wider():
    return keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.Dense(9, name="hidden"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(CLASSES, name="logits"),
        ]
    )


def with_another_norm():
    return keras.Sequential(
        [
            keras.Input((FEATURES,)),
            *with_state().layers,
            layers.BatchNormalization(name="extra"),
        ]
    )


@pytest.mark.parametrize("make", [tiny, wider, with_another_norm])
def test_a_foreign_model_is_an_error(ticket, make):
    with pytest.raises(TicketError, match="another model"):
        ticket.apply(compiled(make()))


def test_unknown_weights_are_an_error(ticket):
    with pytest.raises(ValueError, match="'initial', 'best', 'final'"):
        ticket.model("last")


def test_weights_of_a_ticket_that_was_not_trained_are_an_error(ticket):
    untrained = Ticket(ticket.masks, ticket.state, architecture=ticket.architecture)
    with pytest.raises(TicketError, match="not trained"):
        untrained.model("best")
    with pytest.raises(TicketError, match=r"ticket\.apply"):
        Ticket(ticket.masks, ticket.state).model()


# Models with parts of one's own.


def squared(y, outputs):
    return tf.reduce_mean(tf.square(tf.cast(y[:, None], tf.float32) - outputs), -1)


class Doubled(layers.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)

    def get_prunable_weights(self):
        return [self.kernel]


def own_parts():
    inputs = keras.Input((FEATURES,))
    model = keras.Model(inputs, Doubled(1, name="own")(inputs))
    model.compile("sgd", squared)
    return model


def test_parts_of_ones_own_are_given_as_custom_objects(tmp_path):
    ticket = found(own_parts())
    ticket.save(tmp_path / "ticket.safetensors")
    loaded = Ticket.load(tmp_path / "ticket.safetensors")
    objects = {"Doubled": Doubled, "squared": squared}
    model = loaded.model("best", custom_objects=objects)
    x, y = arrays()
    expected = ticket.apply(own_parts(), "best").predict(x, verbose=0)
    assert (model.predict(x, verbose=0) == expected).all()
    assert model.evaluate(x, y, verbose=0) > 0


@pytest.fixture(scope="module")
def lambda_ticket(tmp_path_factory):
    model = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.Dense(5, name="hidden"),
            layers.Lambda(lambda t: t * 2.0, name="double"),
            layers.Dense(CLASSES, name="logits"),
        ]
    )
    ticket = found(compiled(model))
    path = tmp_path_factory.mktemp("lambda") / "ticket.safetensors"
    ticket.save(path)
    return ticket, Ticket.load(path)


def test_lambda_layers_need_safe_mode_off(lambda_ticket):
    ticket, loaded = lambda_ticket
    x = arrays()[0]
    model = loaded.model("best", safe_mode=False)
    expected = ticket.model("best", safe_mode=False).predict(x, verbose=0)
    assert (model.predict(x, verbose=0) == expected).all()
    with pytest.raises(ValueError, match="safe_mode=False"):
        loaded.model()


@pytest.mark.parametrize(
    "policy", [pytest.param("mixed_bfloat16", marks=slow), "mixed_float16"]
)
def test_a_model_in_mixed_precision_returns_in_it(policy, global_policy, tmp_path):
    global_policy(policy)
    ticket = found(compiled(tiny()))
    ticket.save(tmp_path / "ticket.safetensors")
    expected = ticket.model("best").predict(arrays()[0], verbose=0)
    global_policy("float32")
    model = Ticket.load(tmp_path / "ticket.safetensors").model("best")
    outputs = model.predict(arrays()[0], verbose=0)
    assert outputs.dtype == expected.dtype
    assert (outputs == expected).all()


@pytest.mark.parametrize(
    "retrain", [pytest.param("lr_rewind", marks=slow), "fine_tune"]
)
def test_tickets_of_other_ways_to_retrain_come_back_too(retrain, tmp_path):
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.9)
    model = compiled(tiny(), keras.optimizers.SGD(decay, momentum=0.9))
    ticket = found(model, retrain=retrain)
    ticket.save(tmp_path / "ticket.safetensors")
    loaded = Ticket.load(tmp_path / "ticket.safetensors")
    assert equal(Live(loaded.model()).read(), Live(ticket.model()).read())
    assert_trains_masked(loaded.model())


def test_nested_models_come_back_with_their_optimizer(tmp_path):
    block = keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(FEATURES, name="dense")], name="left"
    )
    other = keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(FEATURES, name="dense")], name="right"
    )
    inputs = keras.Input((FEATURES,))
    model = keras.Model(inputs, layers.Dense(CLASSES, name="top")(other(block(inputs))))
    ticket = found(compiled(model), rewind_to=4)
    ticket.save(tmp_path / "ticket.safetensors")
    restored = Ticket.load(tmp_path / "ticket.safetensors").model()
    assert Live(restored).read().keys() == ticket.state.keys()
    assert equal(Live(restored).read_weights(), dict(ticket.weights))
    assert_trains_masked(restored)


def test_an_adapted_normalization_comes_back_from_a_file(tmp_path):
    x, y = arrays()
    adapted = keras.layers.Normalization()
    adapted.adapt(5 * x + 3)
    inside = [adapted, keras.layers.Dense(4, activation="relu"), keras.layers.Dense(3)]
    model = compiled(keras.Sequential([keras.Input(x.shape[1:]), *inside]))
    ticket = found(model, (x, y))
    ticket.save(tmp_path / "ticket.safetensors")
    best = ticket.outcome.best_weights
    for path, layer in zip(("dense", "dense_1"), inside[1:], strict=True):
        layer.set_weights([best[f"{path}/{name}"] for name in ("kernel", "bias")])
    wanted = model(x)
    restored = Ticket.load(tmp_path / "ticket.safetensors").model("best")
    np.testing.assert_allclose(restored(x), wanted, rtol=1e-6)
    np.testing.assert_allclose(export.strip(ticket)(x), wanted, rtol=1e-6)
