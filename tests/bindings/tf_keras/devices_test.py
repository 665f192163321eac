"""On several devices: the same tickets, held alike by every replica."""

import functools
import itertools
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.bindings.tf_keras.forms import feed_of
from tests.fakes import Killed
from tests.models import (
    FEATURES,
    Watch,
    arrays,
    batches,
    bfloat16,
    compiled,
    equal,
    keras,
    mirrored,
    parts,
    tf,
    tiny,
    with_state,
)
from tests.training.trainings import Kill, assert_same_rounds, shuffled
from tf_lottery import LotterySchedule, Plan, RewindWeights, find_ticket
from tf_lottery.bindings.tf_keras import devices
from tf_lottery.bindings.tf_keras._imports import sparsity
from tf_lottery.bindings.tf_shared.data import feeding
from tf_lottery.bindings.tf_shared.devices import NAMES
from tf_lottery.cli import main as cli
from tf_lottery.core.data import Data
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.trainer import Trainer

slow = pytest.mark.slow
SGD = keras.optimizers.SGD


MODELS = {
    "Adam": lambda: compiled(tiny()),
    "norm and dropout": lambda: compiled(with_state()),
    "momentum, global clip norm": lambda: compiled(
        tiny(), SGD(0.1, momentum=0.9, global_clipnorm=0.5)
    ),
    "bfloat16": lambda: compiled(bfloat16()),
    "averages": lambda: compiled(tiny(), SGD(0.1, momentum=0.9, use_ema=True)),
}


@pytest.fixture(
    params=["mirrored", "one device", pytest.param("GPUs", marks=pytest.mark.gpu)]
)
def strategy(request):
    if request.param == "one device":
        return tf.distribute.OneDeviceStrategy("CPU:1")
    if request.param == "GPUs" and not tf.config.list_logical_devices("GPU"):
        pytest.skip("there is no GPU")
    return mirrored()


def trainer_of(model, strategy=None, callbacks=(), **plan):
    return Trainer(
        model,
        batches(),
        Plan(**{"rounds": 2, "pruning_rate": 0.3} | plan),
        validation_data=batches(32, 1),
        callbacks=callbacks,
        strategy=strategy,
    )


def searched(model, strategy=None, callbacks=(), **plan):
    trainer = trainer_of(model, strategy, callbacks, **plan)
    return list(run_rounds(trainer, trainer.plan)), trainer


@pytest.fixture(scope="module")
def of_one():
    """The rounds of a search on one device, made once for each model."""
    return functools.cache(lambda name: searched(MODELS[name]())[0])


@pytest.mark.first_case
@pytest.mark.parametrize("name", MODELS)
def test_replicas_hold_the_same_masks_and_zeros_after_every_step(name, strategy):
    watch = Watch()
    rounds, trainer = searched(MODELS[name](), strategy, [watch])
    assert trainer.devices.strategy is strategy
    assert trainer.model.distribute_strategy is strategy
    assert watch.calls == 3 * 6 * 2 * strategy.num_replicas_in_sync
    assert watch.leaks == watch.differing == 0
    assert rounds[-1].ticket.density < 0.6
    assert trainer.traces == 1


@pytest.mark.first_case
@pytest.mark.parametrize("name", ["Adam", "momentum, global clip norm"])
def test_several_devices_find_the_tickets_of_one(name, strategy, of_one):
    """Sums in another order differ in the last bits; no mask is decided by those."""
    several, _ = searched(MODELS[name](), strategy)
    for mine, theirs in zip(several, of_one(name), strict=True):
        assert mine.ticket.masks == theirs.ticket.masks
        for path, weights in theirs.outcome.weights.items():
            assert np.allclose(mine.outcome.weights[path], weights, atol=1e-5)


def test_batches_that_cannot_be_halved_are_shared_all_the_same():
    trainer = Trainer(
        MODELS["Adam"](), arrays(91), Plan(batch_size=13), strategy=mirrored()
    )
    seen = [
        sum(len(part) for part in mirrored().experimental_local_results(x))
        for x, _ in _first(trainer._session.data.feed, 7)
    ]
    assert seen == [13] * 7


def _first(feed, number):
    with mirrored().scope():
        batches = feed.begin().open(0)
        return [next(batches) for _ in range(number)]


def test_arrays_give_each_step_the_same_examples_on_any_number_of_devices():
    feed = feed_of(arrays(), batch_size=16)
    first = itertools.islice(feed.begin().open(0), 6)
    alone = [x.numpy() for x, _ in first]
    shared = [
        np.concatenate([p.numpy() for p in mirrored().experimental_local_results(x)])
        for x, _ in _first(feed, 6)
    ]
    assert all((a == b).all() for a, b in zip(alone, shared, strict=True))


@pytest.mark.slow
def test_a_late_rewind_brings_every_replica_back():
    model = MODELS["norm and dropout"]()
    trainer = trainer_of(model, mirrored(), epochs=2, rewind_to=7)
    dense = trainer.dense()
    outcome = trainer.train(dense)
    step, state = outcome.next_start
    again = trainer.train(
        type(dense)(dense.masks, state, step, round=1, plan=trainer.plan)
    )
    assert equal(again.weights, outcome.weights)


@pytest.mark.slow
@pytest.mark.parametrize("data", [pytest.param(arrays, marks=slow), shuffled])
def test_a_search_that_was_killed_goes_on_bit_for_bit(tmp_path, data, always_written):
    def search(path, callbacks=()):
        return find_ticket(
            MODELS["norm and dropout"](),
            data(),
            1,
            epochs=2,
            validation_data=arrays(32, 1),
            strategy=mirrored(),
            run_dir=path,
            callbacks=callbacks,
            verbose=0,
        )

    with pytest.raises(Killed):
        search(tmp_path, lambda number, *_: [Kill("on_epoch_begin", 1)] * number)
    assert list(tmp_path.rglob("checkpoint.safetensors"))
    resumed, whole = search(tmp_path), search(None)
    assert_same_rounds(resumed.history, whole.history)


@pytest.mark.slow
def test_the_callback_keeps_the_average_of_the_replicas_statistics():
    schedule = LotterySchedule(rounds=1, steps_per_round=3, pruning_rate=0.5)
    with mirrored().scope():
        model = compiled(
            sparsity.prune_low_magnitude(with_state(0.0), pruning_schedule=schedule)
        )
    callback = RewindWeights(schedule, rewind_to=1)
    model.fit(batches(), verbose=0, callbacks=[callback])
    norm = model.get_layer("prune_low_magnitude_norm")
    kept = callback.tickets[0].state["norm/moving_mean"]
    alone = compiled(with_state(0.0))
    alone.fit(batches().take(1), verbose=0)
    expected = alone.get_layer("norm").moving_mean.numpy()
    assert np.allclose(kept, expected, atol=1e-7)
    assert len(parts(norm.layer.moving_mean)) == mirrored().num_replicas_in_sync


@pytest.mark.slow
def test_uneven_parts_of_a_batch_weigh_as_in_keras():
    """Keras averages the replicas' means: a part of 6 counts as one of 7."""

    def trained(strategy):
        plan = Plan(batch_size=13, epochs=2)
        trainer = Trainer(MODELS["Adam"](), arrays(91), plan, strategy=strategy)
        return trainer.train(trainer.dense()).weights["logits/kernel"]

    assert np.abs(trained(mirrored()) - trained(None)).max() > 1e-4


# Which strategy.


def test_the_command_line_knows_the_same_names():
    for name in NAMES:
        arguments = cli.parse(["tf_lottery", "find", "r.py", f"--strategy={name}"])
        assert arguments.strategy == name


def test_a_function_may_open_a_scope_of_its_own():
    def make():
        with mirrored().scope():
            return MODELS["Adam"]()

    for strategy in (None, mirrored()):
        trainer = Trainer(make, batches(), Plan(), strategy=strategy)
        assert trainer.devices.strategy is mirrored()


def test_a_model_built_in_a_scope_is_trained_there():
    with mirrored().scope():
        model = MODELS["Adam"]()
    assert Trainer(model, batches(), Plan()).devices.strategy is mirrored()
    named = Trainer(model, batches(), Plan(), strategy="mirrored")
    assert named.devices.strategy is mirrored()


def test_a_cluster_that_cannot_be_read_is_refused(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{'cluster': 1}")
    with pytest.raises(ValueError, match="TF_CONFIG must be JSON"):
        find_ticket(MODELS["Adam"], arrays(), strategy="multiworker")


def test_mirrored_by_name_takes_the_devices_that_are_there():
    found = devices("mirrored", MODELS["Adam"]())
    assert isinstance(found.strategy, tf.distribute.MirroredStrategy)
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    assert found.processes.replicas == len(tf.config.list_logical_devices(kind))
    assert f"MirroredStrategy on {found.processes.replicas}" in found.in_words()


def test_a_function_is_called_in_the_scope():
    def make():
        assert tf.distribute.get_strategy() is mirrored()
        return MODELS["Adam"]()

    trainer = Trainer(make, batches(), Plan(), strategy=mirrored())
    assert trainer.devices.strategy is mirrored()


@pytest.mark.parametrize(
    "strategy, error, said",
    [
        ("horovod", ValueError, "'mirrored', 'multiworker', 'tpu'"),
        (2, TypeError, "tf.distribute.Strategy"),
        ("multiworker", ValueError, "needs a function that returns the model"),
        ("tpu", ValueError, "needs a function that returns the model"),
    ],
)
def test_what_is_no_strategy_for_this_model(strategy, error, said):
    with pytest.raises(error, match=said):
        find_ticket(MODELS["Adam"](), arrays(), strategy=strategy)


def test_multiworker_without_a_cluster_is_refused(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        find_ticket(MODELS["Adam"], arrays(), strategy="multiworker")


def test_multiworker_after_tensorflow_has_started_is_refused(monkeypatch):
    cluster = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}
    task = {"type": "worker", "index": 0}
    config = json.dumps({"cluster": cluster, "task": task})
    monkeypatch.setenv("TF_CONFIG", config)
    tf.zeros(1)
    with pytest.raises(ValueError, match="before TensorFlow runs anything"):
        find_ticket(MODELS["Adam"], arrays(), strategy="multiworker")


def test_a_tpu_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="needs a TPU"):
        find_ticket(MODELS["Adam"], arrays(), strategy="tpu")


def test_parameter_servers_are_refused_with_the_reason():
    kind = tf.distribute.ParameterServerStrategy
    with pytest.raises(ValueError, match="same step"):
        find_ticket(MODELS["Adam"](), arrays(), strategy=object.__new__(kind))


def test_a_model_of_another_strategy_is_refused():
    with mirrored().scope():
        model = MODELS["Adam"]()
    with pytest.raises(ValueError, match="another strategy"):
        find_ticket(model, arrays(), strategy=tf.distribute.OneDeviceStrategy("CPU:0"))


def test_a_tpu_gets_batches_of_one_size():
    plan, tpu = Plan(batch_size=32), SimpleNamespace(needs_static_shapes=True)
    feed = feeding.feed(arrays(100), plan, tpu)
    assert feed.spec[0].shape == (32, FEATURES)
    assert feed.steps_per_epoch == 3
    data = Data(None, arrays(70), None)
    found = feeding.evaluated(data, plan, tpu)["val"]
    assert found.element_spec[0].shape == (32, FEATURES)
    with pytest.raises(ValueError, match="drop_remainder=True"):
        feeding.feed(batches(), Plan(), tpu)


# What differs is found.


def test_a_mask_that_differs_on_one_replica_stops_the_search():
    trainer = trainer_of(MODELS["Adam"](), mirrored())
    masks = trainer._prepared.searched.live._masks["logits/kernel"][0]
    assign = trainer._prepared.searched.live.assign

    def assign_and_spoil(*args):
        assign(*args)
        masks.values[1].assign(tf.zeros_like(masks.values[1]))

    trainer._prepared.searched.live.assign = assign_and_spoil
    with pytest.raises(
        RuntimeError, match=r"'logits/kernel' on replica 1 \(worker 0\)"
    ):
        trainer.train(trainer.dense())


@pytest.mark.slow
def test_a_pruned_weight_that_comes_back_on_one_replica_is_found():
    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernel = self.model.get_layer("hidden").kernel
            kernel.values[1].assign(tf.ones_like(kernel.values[1]))

    with pytest.raises(RuntimeError, match="'hidden/kernel' became nonzero in round 1"):
        searched(MODELS["Adam"](), mirrored(), [Spoil()], rounds=1)


@slow
def test_all_of_this_holds_on_four_replicas():
    """In a process of its own, as a process bears one MirroredStrategy."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", __file__]
    environment = {**os.environ, "TF_LOTTERY_TEST_REPLICAS": "4"}
    done = subprocess.run(
        [*command, "-m", "not slow and not gpu and not tpu and not network"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
