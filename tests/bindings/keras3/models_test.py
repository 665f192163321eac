"""What holds of a search, for each kind of model that people write."""

import dataclasses

import keras
import numpy as np
import pytest

from tests.bindings.keras3.kinds import KINDS
from tests.bindings.keras3.models import BACKEND, equal, weights_of
from tests.bindings.keras3.watching import PLAN, Watch, array_of, searched
from tf_lottery import bindings
from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3.copying.fixed import fixed_values
from tf_lottery.bindings.keras3.live import Live
from tf_lottery.bindings.keras3.rebuilding.describe import needed_attributes

slow = pytest.mark.slow
IN_BRIEF = {"subclassed", "own train_step", "dicts"}
if BACKEND == "torch":
    del KINDS["stateful"]  # Keras' own `fit` fails there
NAMES = [n if n in IN_BRIEF else pytest.param(n, marks=slow) for n in KINDS]
# Of what no file is enough, and what it says.
LACKS = {
    "lambda": "Lambda",
    "distilled": "'teacher'",
    "closures": "compute_loss",
}
ASKED = dataclasses.replace(PLAN, layer_rates={"*/depthwise_kernel": 0.3})


def plan_of(name):
    return ASKED if name in ("convolutional", "bfloat16", "float16") else PLAN


@pytest.fixture(scope="module", params=NAMES)
def search(request):
    """The name of a kind, the model, its data, the trainer and the rounds."""
    keras.utils.set_random_seed(0)
    model, data = KINDS[request.param]()
    before = weights_of(model)
    trainer, rounds = searched(model, plan_of(request.param), data)
    assert equal(weights_of(model), before)
    return request.param, model, data, trainer, rounds


def inputs(data, size=16):
    return keras.tree.map_structure(lambda part: part[:size], data[0])


def outputs(model, data):
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()  # no file holds it
    found = keras.tree.flatten(model.predict_on_batch(inputs(data)))
    return [np.asarray(part, "float32") for part in found]


def test_the_step_is_traced_once(search):
    *_, trainer, _ = search
    assert trainer.traces <= 1


def test_a_ticket_is_rewound_bit_for_bit(search):
    _, _, _, trainer, rounds = search
    ticket, live = rounds[2].ticket, trainer._prepared.searched.live
    start = trainer.state_at(trainer.dense(), PLAN.rewind_to)
    trainer._assign(ticket, ticket.state)
    held = live.read()
    wanted = {name: live._masked(name, start[name], ticket.masks) for name in held}
    assert equal(held, wanted)
    assert any(name.startswith("optimizer:") for name in held)


def test_single_steps_without_validation_give_the_same_bits(search):
    name, _, data, _, rounds = search
    keras.utils.set_random_seed(0)
    model, watch = KINDS[name]()[0], Watch()
    plan = dataclasses.replace(plan_of(name), evaluate_every=None)
    more = {"callbacks": [watch], "validation_data": None}
    _, others = searched(model, plan, data, **more)
    assert watch.looks == 15
    assert watch.leaks == watch.stained == watch.dead == 0
    for one, other in zip(rounds, others, strict=True):
        assert equal(one.outcome.weights, other.outcome.weights)


def test_the_same_ticket_trained_again_gives_the_same_bits(search):
    _, _, _, trainer, rounds = search
    again = trainer.train(rounds[2].ticket)
    assert equal(again.weights, rounds[2].outcome.weights)


def test_the_model_of_a_ticket_keeps_its_zeros_and_can_be_saved(search, tmp_path):
    name, _, data, trainer, rounds = search
    ticket = trainer.completed(rounds[2].trained)
    model = ticket.model("final")
    for path, value in bindings.of(model).weights_of(model).items():
        assert equal([value], [ticket.outcome.weights[path]])
    model.fit(*data, batch_size=16, verbose=0)
    assert Live(model).faults().leaking == []
    masks = [array_of(mask) for mask in hold.masks_of(model).values()]
    assert any((~mask).any() for mask in masks)
    if name in LACKS:
        return
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert equal(outputs(loaded, data), outputs(model, data))


def test_where_a_file_is_not_enough_it_is_said(search):
    name, *_, trainer, _ = search
    found = trainer._prepared.file_lacks
    assert LACKS.get(name, "") in found
    assert bool(found) == bool(LACKS.get(name))


def test_another_teacher_is_another_model():
    model, _ = KINDS["distilled"]()
    before = fixed_values(model)
    assert len(before) == 2
    kernel = model.teacher.layers[0].kernel
    kernel.assign(kernel + 1.0)
    after = fixed_values(model)
    assert [name for name in before if before[name] != after[name]] == [
        name for name in before if name.endswith("kernel")
    ]


@slow
def test_training_a_model_sets_no_attribute_of_the_user():
    model, data = KINDS["distilled"]()
    model.fit(*data, batch_size=48, verbose=0)
    assert needed_attributes(model) == ["teacher"]
    model, data = KINDS["sequential"]()
    model.fit(*data, batch_size=48, verbose=0)
    assert needed_attributes(model) == []
