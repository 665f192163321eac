"""A pruned weight is exactly zero after every step, and no parameter, in each Keras.

The slots are full when the masks come, as after a rewind to a step k > 0: neutral slots
would hide that momentum revives pruned weights (filter-pruning-geometric-median, issue
47). As in `contract_test`, Keras 3 has one backend in a process.
"""

import os

import numpy as np
import pytest

from tests.bindings.subject import STEPS, Subject, bits
from tf_lottery import Plan, Ticket, Trainer
from tf_lottery.core.masks import Masks

IS_KERAS3 = bool(os.environ.get("TESTED_BACKEND"))
if IS_KERAS3:
    from tests.bindings.keras3 import models
else:
    from tests import models

slow = pytest.mark.slow
new = models.keras.optimizers

# The optimizers of the prototype's self-test, and later ones.
OPTIMIZERS = {
    "SGD": lambda: new.SGD(0.1),
    "nesterov": lambda: new.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=0.1),
    "decay": lambda: new.SGD(0.1, momentum=0.9, weight_decay=1e-2, clipvalue=0.1),
    "schedule": lambda: new.SGD(new.schedules.CosineDecay(0.1, 20), momentum=0.9),
    "Adam": lambda: new.Adam(0.01),
    "amsgrad": lambda: new.Adam(0.01, amsgrad=True),
    "EMA": lambda: new.Adam(0.01, use_ema=True),
    "EMA every 2": lambda: new.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "AdamW": lambda: new.AdamW(0.01, weight_decay=0.1, global_clipnorm=0.1),
    "RMSprop": lambda: new.RMSprop(0.01, momentum=0.9, centered=True),
    "Adagrad": lambda: new.Adagrad(0.1),
    "Adadelta": lambda: new.Adadelta(1.0),
    "Adamax": lambda: new.Adamax(0.01),
    "Nadam": lambda: new.Nadam(0.01),
    "Ftrl": lambda: new.Ftrl(
        0.1, l1_regularization_strength=1e-5, l2_shrinkage_regularization_strength=0.01
    ),
    "Lion": lambda: new.Lion(0.001),
    "Adafactor": lambda: new.Adafactor(0.01),
}
OF_KERAS3 = {
    "accumulation": lambda: new.Adam(0.01, gradient_accumulation_steps=2),
    "Lamb": lambda: new.Lamb(0.01, weight_decay=0.01),
    "Muon": lambda: new.Muon(0.01, weight_decay=0.01),
    "loss scaling": lambda: new.LossScaleOptimizer(new.Adam(0.01)),
}
OF_TF_KERAS = {
    "legacy SGD": lambda: new.legacy.SGD(
        0.1, momentum=0.9, nesterov=True, global_clipnorm=0.1
    ),
    "legacy Adam": lambda: new.legacy.Adam(0.01, amsgrad=True),
    "legacy RMSprop": lambda: new.legacy.RMSprop(0.01, momentum=0.9, centered=True),
    "legacy Adagrad": lambda: new.legacy.Adagrad(0.1),
    "legacy Adadelta": lambda: new.legacy.Adadelta(1.0),
    "legacy Adamax": lambda: new.legacy.Adamax(0.01),
    "legacy Nadam": lambda: new.legacy.Nadam(0.01),
    "legacy Ftrl": lambda: new.legacy.Ftrl(0.1),
}
OPTIMIZERS |= OF_KERAS3 if IS_KERAS3 else OF_TF_KERAS
IN_BRIEF = {"decay", "EMA every 2", "Muon", "loss scaling", "legacy SGD"}
NAMES = [n if n in IN_BRIEF else pytest.param(n, marks=slow) for n in OPTIMIZERS]
# They keep means over rows and columns, or make the rows of an update orthogonal.
SEE_ZEROS = ("Adafactor", "Muon")


@pytest.mark.filterwarnings("ignore:Pruned weights are not invisible")
@pytest.mark.parametrize("name", NAMES)
def test_pruned_weights_are_zero_after_every_step_and_their_slots_neutral(name):
    def dataset(seed):
        return models.arrays(32 * STEPS, seed=seed)

    model = models.compiled(models.tiny(), OPTIMIZERS[name]())
    subject = Subject(model, dataset, models.arrays(32, seed=1))
    rewound = subject.trained(STEPS)
    sparser = {p: m & np.roll(m, 1, m.ndim - 1) for p, m in subject.masks.items()}
    for masks in (subject.masks, Masks(sparser)):
        batches = subject.begin(masks, rewound)
        for _ in range(STEPS):
            subject.train(batches, 1)
            assert_held(subject, masks, with_slots=name not in SEE_ZEROS)
    trained = bits(subject.live.read())
    subject.train(subject.begin(masks, rewound), STEPS)
    assert bits(subject.live.read()) == trained


def assert_held(subject, masks, with_slots):
    """Pruned weights are +0 with neutral slots, and the survivors are alive."""
    assert subject.live.faults().leaking == []
    found = subject.live.read()
    for path, mask in masks.items():
        assert not any(found[path][~mask].tobytes())
        assert found[path][mask].any()
        slots = [n for n in found if n.startswith(f"optimizer:{path}/")]
        for slot in slots if with_slots else ():
            if found[slot].shape == mask.shape:
                assert (found[slot][~mask] == neutral(subject, slot)).all()


def neutral(subject, slot):
    """The value of a slot before its first step; 0 for a copy of the weights."""
    first = subject.prepared.initial[slot]
    return first.flat[0] if np.ptp(first) == 0 else 0


NO_PARAMETER = {
    "SGD decay global_clipnorm": lambda: new.SGD(
        0.3, momentum=0.9, weight_decay=0.01, global_clipnorm=0.05
    ),
    "AdamW clipnorm": lambda: new.AdamW(0.01, weight_decay=0.1, clipnorm=0.05),
}
if IS_KERAS3:
    NO_PARAMETER |= {
        "Lamb": lambda: new.Lamb(0.01, weight_decay=0.1, global_clipnorm=0.05),
        "Adam accumulated": lambda: new.Adam(
            0.01, use_ema=True, gradient_accumulation_steps=2
        ),
    }
else:
    NO_PARAMETER["legacy SGD global_clipnorm"] = lambda: new.legacy.SGD(
        0.3, momentum=0.9, global_clipnorm=0.05
    )


@pytest.mark.first_case
@pytest.mark.parametrize("name", NO_PARAMETER)
def test_a_pruned_weight_is_no_parameter(name):
    """Training equals that of the model that lacks the pruned inputs."""
    keras, layers = models.keras, models.layers
    live = np.array([0, 2, 3, 6])
    large = keras.Sequential(
        [keras.Input((models.FEATURES,)), layers.Dense(models.CLASSES)]
    )
    small = keras.Sequential([keras.Input((4,)), layers.Dense(models.CLASSES)])
    small.set_weights([large.get_weights()[0][live], large.get_weights()[1]])
    plan, (x, y) = Plan(rounds=1, steps=40, batch_size=16), models.arrays()
    optimizer = NO_PARAMETER[name]
    trainers = [
        Trainer(models.compiled(large, optimizer()), (x, y), plan),
        Trainer(models.compiled(small, optimizer()), (x[:, live], y), plan),
    ]
    dense, narrow = (trainer.dense() for trainer in trainers)
    (path,), (own,) = dense.masks, narrow.masks
    mask = np.zeros(dense.masks[path].shape, bool)
    mask[live] = True
    ticket = Ticket(Masks({path: mask}), dense.state, plan=plan)
    pruned = trainers[0].train(ticket).weights[path]
    expected = trainers[1].train(narrow).weights[own]
    assert not pruned[~mask].any()
    np.testing.assert_allclose(pruned[live], expected, atol=1e-6)
