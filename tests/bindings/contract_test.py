"""What each binding promises; see `tf_lottery/bindings/protocol.py`.

A new binding passes when its function in `MADE` is added.
"""

import dataclasses
import itertools
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest

from tests.bindings.subject import PLAN, STEPS, Subject, bits
from tests.fakes import outcome
from tf_lottery import bindings
from tf_lottery.bindings import parts, protocol
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.ticket import Ticket


def fake():
    from tests import fake_binding

    model = fake_binding.Model({"hidden/kernel": (8, 6), "logits/kernel": (6, 3)})
    return model, lambda seed: itertools.count(seed), 0.0


def tf_keras():
    from tests import models
    from tests.training.trainings import shuffled

    model = models.compiled(models.with_state())
    return model, shuffled(), models.arrays(32, seed=1)


def keras3():
    from tests.bindings.keras3 import models

    def dataset(seed):
        return models.arrays(32 * STEPS, seed=seed)

    return models.with_state(), dataset, models.arrays(32, seed=1)


# A function for each binding: a model, a function of the seed that returns data of at
# least `STEPS` batches, and validation data. Keras 3 has one backend in a process, see
# `backends_test`.
MADE = {"fake": fake, "tf_keras": tf_keras}
if os.environ.get("TESTED_BACKEND"):
    MADE = {"keras3": keras3}


@pytest.fixture(scope="module", params=MADE)
def subject(request):
    found = Subject(*MADE[request.param]())
    assert request.param == found.binding.NAME
    return found


def numbers(batch):
    """What a batch of any form holds."""
    nested = isinstance(batch, list | tuple)
    return [numbers(each) for each in batch] if nested else np.asarray(batch).tobytes()


def read(feed, step=0, size=STEPS):
    """The contents of some batches of a new training."""
    batches = feed.begin().open(step)
    return [numbers(next(batches)) for _ in range(size)]


def plain(value):
    return json.loads(json.dumps(value, allow_nan=False))


# What is offered.


def names_of(kind):
    """What a protocol names: attributes, properties and methods."""
    return [n for n in {*vars(kind), *kind.__annotations__} if not n.startswith("_")]


def test_a_binding_has_every_name_of_the_protocol(subject):
    names = set(names_of(protocol.Binding))
    if subject.binding.NAME == "fake":  # no models are made of its tickets
        names -= {"apply", "basis", "by_name", "keras", "masks_of", "model"}
        names -= {"network", "plain", "describe", "onnx_writer", "strategy_in_scope"}
        names.remove("WRITES_TENSORFLOW")
    for name in names:
        found = getattr(subject.binding, name)
        values = ("NAME", "PACKAGES", "WRITES_TENSORFLOW", "keras")
        assert callable(found) is (name not in values), name


@pytest.mark.parametrize("kind", ["Devices", "Engine", "Feed", "Live", "Processes"])
def test_a_part_has_every_name_of_its_protocol(subject, kind):
    found = {
        "Devices": subject.prepared.devices,
        "Engine": subject.engine,
        "Feed": subject.feed,
        "Live": subject.live,
        "Processes": subject.prepared.devices.processes,
    }
    of = getattr(parts, kind)
    assert [name for name in names_of(of) if not hasattr(found[kind], name)] == []


def test_a_model_and_its_tickets_lead_to_the_binding(subject):
    binding = subject.binding
    assert bindings.of(subject.model) is binding
    assert bindings.of_architecture(subject.searched.architecture) is binding
    assert binding.is_model(subject.model)
    assert not binding.is_model(SimpleNamespace())


def test_what_is_written_is_plain_values(subject):
    binding, searched = subject.binding, subject.searched
    for found in (
        dict(searched.architecture),
        dict(searched.values),
        list(searched.skipped),
        searched.unknown,
        binding.data_facts(subject.data),
        binding.identity_of(subject.model, ()),
    ):
        assert plain(found) == plain(plain(found))


def test_devices_say_what_they_are(subject):
    devices = subject.prepared.devices
    assert isinstance(devices.in_words(), str)
    assert devices.in_words()
    assert isinstance(devices.on_cpu, bool)


def test_one_process_is_the_chief(subject):
    processes = subject.prepared.devices.processes
    assert (processes.count, processes.index) == (1, 0)
    assert processes.local == processes.replicas == 1


# Models.


def test_the_prunable_weights_have_shapes(subject):
    shapes, weights = subject.live.shapes, subject.live.read_weights()
    assert shapes
    assert shapes == {path: weights[path].shape for path in shapes}


def test_the_copy_has_the_weights_of_the_model_by_name(subject):
    weights = subject.binding.weights_of(subject.model)
    assert subject.live.read_weights().keys() == weights.keys()
    assert subject.binding.trainable(subject.model) <= weights.keys()
    assert subject.live.shapes.keys() <= subject.binding.trainable(subject.model)


def test_a_ticket_has_as_many_parameters_as_its_model(subject):
    ticket = subject.prepared.dense(PLAN, subject.prepared.initial)
    assert ticket.parameters == subject.model.count_params()


def test_the_passed_model_is_not_changed(subject):
    subject.trained(STEPS, masks=subject.masks)
    subject.evaluate()
    assert bits(subject.binding.weights_of(subject.model)) == bits(subject.passed)


def test_a_compiled_copy_has_the_weights_of_the_model(subject):
    copied = subject.binding.compiled_copy(subject.model)
    assert copied is not subject.model
    assert subject.binding.is_model(copied)
    assert bits(subject.binding.weights_of(copied)) == bits(subject.passed)


def test_a_file_lacks_nothing_of_a_plain_model(subject):
    ticket = subject.prepared.dense(PLAN, subject.prepared.initial)
    assert subject.binding.lacks(ticket, PLAN.seed) == ""


def test_a_ticket_moves_to_an_equal_model_with_or_without_its_weights(subject):
    state = subject.trained(2, masks=subject.masks)
    architecture = subject.searched.architecture
    ticket = Ticket(subject.masks, state, 2, 1, PLAN, architecture)
    for weights in (True, False):
        moved = subject.binding.transfer(
            ticket, subject.model, weights=weights, skip=()
        )
        assert (moved.masks, moved.step, moved.plan) == (ticket.masks, 0, None)
        assert (bits(moved.weights) == bits(ticket.weights)) is weights


def test_the_gradient_of_a_loss_scores_each_prunable_weight(subject):
    ticket = Ticket(subject.full, subject.prepared.initial, plan=PLAN)
    weights = subject.live.read_weights()
    result = outcome({path: weights[path] for path in weights})
    criterion = subject.binding.loss_gradient(subject.model, subject.validation)
    scores = criterion(ticket, result)
    assert {path: scores[path].shape for path in scores} == subject.live.shapes
    assert all((score >= 0).all() for score in scores.values())


def test_a_seed_draws_a_model_and_two_seeds_draw_two(subject):
    def drawn(seed):
        with subject.binding.seeded(seed):
            model = subject.binding.redraw(subject.model)
        return bits(subject.binding.weights_of(model))

    assert drawn(1) == drawn(1)
    differing = {name for name in drawn(1) if drawn(1)[name] != drawn(2)[name]}
    assert subject.live.shapes.keys() <= differing


def test_the_generator_of_the_process_goes_on_after_a_seed(subject):
    np.random.seed(0)
    expected = np.random.random(2)
    np.random.seed(0)
    first = np.random.random()
    with subject.binding.seeded(7):
        np.random.random()
    assert [first, np.random.random()] == expected.tolist()


# Values.


def test_a_view_is_what_is_read(subject):
    live = subject.live
    subject.trained(2)
    assert bits(live.view()) == bits(live.read())
    assert bits(live.view_weights()) == bits(live.read_weights())
    weights = {name: a for name, a in live.read().items() if ":" not in name}
    assert bits(live.read_weights()) == bits(weights)


def test_a_view_follows_the_steps_and_what_was_read_does_not(subject):
    batches = subject.begin()
    view, found = subject.live.view(), subject.live.read()
    before = bits(found)
    subject.train(batches, 1)
    assert bits(found) == before
    assert bits(view) == bits(subject.live.read()) != before


def test_what_is_assigned_is_read_bit_for_bit(subject):
    later = subject.trained(3)
    subject.assign(subject.prepared.initial)
    assert bits(subject.live.read()) == bits(subject.prepared.initial) != bits(later)
    subject.assign(later)
    assert bits(subject.live.read()) == bits(later)


def test_weights_alone_leave_the_optimizer_as_it_is(subject):
    later = subject.trained(3)
    weights = {n: a for n, a in subject.prepared.initial.items() if ":" not in n}
    subject.assign(weights)
    assert bits(subject.live.read()) == bits({**later, **weights})


def test_pruned_weights_become_plus_zero_and_their_slots_neutral(subject):
    later, initial = subject.trained(3), subject.prepared.initial
    subject.assign(later, subject.masks)
    found, slots = subject.live.read(), 0
    for path, mask in subject.masks.items():
        assert not any(found[path][~mask].tobytes())
        assert found[path][mask].tobytes() == later[path][mask].tobytes()
        for name in found:
            is_slot = name.startswith("optimizer:") and path in name
            if is_slot and found[name].shape == mask.shape:
                removed = np.broadcast_to(initial[name], mask.shape)[~mask]
                assert found[name][~mask].tobytes() == removed.tobytes()
                assert found[name][mask].tobytes() == later[name][mask].tobytes()
                slots += 1
    assert slots >= len(subject.masks)


def test_the_masks_are_those_that_were_assigned(subject):
    for masks in (subject.full, subject.masks):
        subject.trained(1, masks=masks)
        assert subject.live.faults().changed == []
        for found in subject.live.replica_masks():
            assert Masks(found) == masks


def test_a_state_of_another_model_is_refused(subject):
    state, path = dict(subject.prepared.initial), next(iter(subject.live.shapes))
    fewer = {name: array for name, array in state.items() if name != path}
    for other in (
        {**state, "other/kernel": np.ones(3)},
        {**state, path: np.ones((2, 2), "f4")},
        fewer,
    ):
        with pytest.raises(TicketError, match="found on another model"):
            subject.assign(other)
    with pytest.raises(TicketError, match="found on another model"):
        subject.assign(state, Masks.full({**subject.live.shapes, path: (2, 2)}))


# Training.


def test_pruned_weights_are_zero_after_each_step(subject):
    batches = subject.begin(subject.masks)
    for _ in range(STEPS):
        subject.train(batches, 1)
        assert subject.live.faults().leaking == []
        weights = subject.live.read_weights()
        for path, mask in subject.masks.items():
            assert not any(weights[path][~mask].tobytes())
            assert weights[path][mask].any()


def test_a_group_of_steps_is_its_single_steps(subject):
    assert subject.engine.group >= STEPS
    single = bits(subject.trained(*[1] * STEPS, masks=subject.masks))
    assert bits(subject.trained(STEPS, masks=subject.masks)) == single
    assert bits(subject.trained(2, 1, STEPS - 3, masks=subject.masks)) == single


def test_a_training_done_twice_gives_the_same_bits(subject):
    once = subject.trained(STEPS)
    assert bits(subject.trained(STEPS)) == bits(once) != bits(subject.prepared.initial)


def test_evaluating_changes_no_bits_of_a_training(subject):
    batches = subject.begin()
    subject.train(batches, 2)
    expected_logs = subject.train(batches, STEPS - 2)
    expected = bits(subject.live.read())
    batches = subject.begin()
    subject.train(batches, 2)
    before = bits(subject.live.read())
    first, second = subject.evaluate(), subject.evaluate()
    assert first == second
    assert bits(subject.live.read()) == before
    assert subject.train(batches, STEPS - 2) == expected_logs
    assert bits(subject.live.read()) == expected


def test_an_evaluation_has_metrics_and_counts_its_batches(subject):
    subject.begin()
    logs, batches = subject.evaluate()
    assert batches >= 1
    assert {*subject.engine.metrics} == {*subject.engine.names.recorded(logs)}
    assert all(isinstance(value, float) for value in logs.values())


def test_recorded_names_are_shown_as_they_were(subject):
    logs = subject.train(subject.begin(), 1)
    names = subject.engine.names
    recorded = names.recorded(logs)
    assert names.shown(recorded) == logs
    assert names.recorded(names.shown(recorded)) == recorded


def test_the_engine_counts_steps(subject):
    batches = subject.begin()
    subject.engine.begin(4)
    assert subject.engine.steps == 4
    subject.train(batches, 2)
    assert subject.engine.steps == 6
    subject.evaluate()
    assert subject.engine.steps == 6


def test_a_training_that_was_stopped_begins_again(subject):
    engine = subject.engine
    subject.begin()
    assert not engine.stopped
    engine.model.stop_training = True
    assert engine.stopped
    engine.begin(0)
    assert not engine.stopped


def test_no_training_is_traced_again(subject):
    subject.trained(STEPS)
    before = subject.engine.traces
    subject.trained(1, 2, masks=subject.masks)
    assert subject.engine.traces == before


def test_without_averages_nothing_is_done_to_weights_at_the_end(subject):
    later = subject.trained(2)
    assert subject.engine.finalize() is False
    subject.live.average()
    assert bits(subject.live.read()) == bits(later)


def test_no_callbacks_are_an_empty_list(subject):
    assert subject.binding.checked_callbacks(()) == []
    listed = subject.engine.callback_list([], 1, STEPS)
    listed.on_train_begin()
    listed.on_train_batch_begin(0)
    listed.on_train_batch_end(0, {"loss": 0.5})
    listed.on_epoch_begin(0)
    listed.on_epoch_end(0, {"loss": 0.5})
    listed.on_train_end()


# Data.


def test_each_training_begins_the_data_anew(subject):
    first = read(subject.feed)
    assert read(subject.feed) == first
    assert len({str(batch) for batch in first}) == STEPS
    assert subject.feed.repeatable


def test_data_of_another_seed_are_others(subject):
    other = subject.data.of(dataclasses.replace(PLAN, seed=PLAN.seed + 1)).feed
    assert other.steps_per_epoch == subject.feed.steps_per_epoch >= STEPS
    assert read(other) != read(subject.feed)


@pytest.mark.parametrize("step", range(STEPS))
def test_a_feed_that_is_opened_at_a_step_is_one_read_up_to_it(subject, step):
    assert read(subject.feed, step, STEPS - step) == read(subject.feed)[step:]


def test_equal_data_have_equal_contents(subject):
    contents = subject.binding.contents
    same = subject.data.of(PLAN).evaluated["val"]
    assert contents(subject.data.evaluated["val"]) == contents(same)


def test_absent_data_are_not_evaluated(subject):
    assert subject.data.evaluated.keys() == {"val"}
