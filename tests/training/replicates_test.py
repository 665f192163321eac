"""Replicates and controls of a search on one compiled model, with real training."""

import numpy as np
import pytest

from tests.fakes import Killed
from tests.models import (
    BATCH,
    arrays,
    batches,
    compiled,
    keras,
    tf,
    unseeded,
    with_state,
)
from tests.training.trainings import Kill, assert_same_rounds, shuffled, slices
from tf_lottery import Data
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.find import search
from tf_lottery.training.trainer import Trainer

slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Without")
CONTROLS = ("reinit", "shuffle", "reinit_same_sign", "random_mask")
STEPS, REWIND = 8, 3
TRAININGS = [(0, None), (1, None), *((1, name) for name in CONTROLS)]


def of_seed(seed):
    train = slices().shuffle(96, seed=seed).batch(BATCH)
    return Data(train, batches(32, seed=seed % 1000))


def built():
    return compiled(with_state())  # sets the global seed, which a shuffle mixes in


# Model, dataset, and more of the plan.
KINDS = {
    "arrays": lambda: (built(), arrays(), {"batch_size": BATCH}),
    "functions": lambda: (unseeded, of_seed, {}),
    "shuffle": lambda: (built(), shuffled(), {}),
}


class Batches(keras.callbacks.Callback):
    """Counts the steps of each training."""

    def __init__(self, counts, which):
        super().__init__()
        counts[which] = 0
        self._count = lambda: counts.update({which: counts[which] + 1})

    def on_train_batch_end(self, batch, logs=None):
        self._count()


def trainer_of(kind, kill=None, **plan):
    """A trainer, and where it counts the steps of (round, replicate, control)."""
    counts = {}

    def callbacks(*which):
        dies = [Kill(*kill[1:])] if kill and which == kill[0] else []
        return [Batches(counts, which), *dies]

    model, dataset, more = KINDS[kind]()
    plan = {"rounds": 1, "replicates": 2, "controls": CONTROLS} | more | plan
    trainer = Trainer(
        model,
        dataset,
        Plan(steps=STEPS, rewind_to=REWIND, pruning_rate=0.4, **plan),
        validation_data=None if kind == "functions" else batches(32, seed=1),
        callbacks=callbacks,
    )
    return trainer, counts


@pytest.fixture(scope="module")
def found():
    """Searches that nothing disturbed, made once: trainer, counted steps, history."""
    made = {}

    def of(kind, **plan):
        key = kind, *plan.items()
        if key not in made:
            trainer, counts = trainer_of(kind, **plan)
            made[key] = trainer, counts, search(trainer, verbose=0).history
        return made[key]

    return of


each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.slow
@pytest.mark.first_case
@each_kind
def test_nothing_is_traced_again_for_replicates_and_controls(kind, found):
    trainer, _, _ = found(kind)
    assert trainer.traces == 1


@pytest.mark.slow
@pytest.mark.first_case
@each_kind
def test_callbacks_are_told_round_replicate_and_control(kind, found):
    _, counts, history = found(kind)
    assert list(counts) == [
        (number, replicate, control)
        for replicate in range(2)
        for number, control in TRAININGS
    ]
    trained = {(r.number, r.replicate, r.control) for r in history.trainings()}
    assert trained == set(counts)


@pytest.mark.slow
@each_kind
def test_a_control_of_other_weights_trains_for_the_full_budget(kind, found):
    """Also where the ticket itself starts later."""
    _, counts, history = found(kind)
    for training in history.trainings():
        which = training.number, training.replicate, training.control
        late = which[0] == 1 and which[2] in (None, "shuffle")
        assert training.ticket.step == (REWIND if late else 0)
        assert counts[which] == STEPS - training.ticket.step
        assert training.outcome.last_step == STEPS


@pytest.mark.slow
@each_kind
def test_controls_change_what_they_say(kind, found):
    _, _, history = found(kind)
    for control in history.controls:
        ticket, changed = (
            history.replicates[control.replicate][1].ticket,
            control.ticket,
        )
        assert changed.masks.kept_by_layer() == ticket.masks.kept_by_layer()
        moves = control.control in ("shuffle", "random_mask")
        assert (changed.masks != ticket.masks) == moves
        draws = control.control != "shuffle"
        for path, mask in changed.masks.items():
            new, old = changed.state[path], ticket.state[path]
            assert (new != old).any() == draws
            if control.control == "reinit_same_sign":
                assert (np.sign(new) == np.sign(old)).all()
            assert not control.outcome.weights[path][~mask].any()


@each_kind
def test_replicates_and_controls_start_from_weights_of_their_own(kind, found):
    _, _, history = found(kind)
    starts = [rounds[0].ticket for rounds in history.replicates]
    starts += [c.ticket for c in history.controls if c.control != "shuffle"]
    kernels = {start.weights["hidden/kernel"].tobytes() for start in starts}
    assert len(kernels) == len(starts) == 2 + 2 * 3
    one, other = (rounds[1].ticket.masks for rounds in history.replicates)
    assert one != other


@pytest.mark.first_case
@pytest.mark.parametrize("kind", ["arrays", "shuffle"])
def test_tickets_are_the_same_without_controls(kind, found):
    _, _, history = found(kind)
    _, _, alone = found(kind, controls=())
    assert_same_rounds(history.replicates[0], alone.replicates[0])
    if kind == "arrays":  # a shuffle of one dataset goes on through controls
        assert_same_rounds(history.replicates[1], alone.replicates[1])


@pytest.mark.slow
def test_a_replicate_is_a_search_of_its_seed_alone(found):
    _, _, history = found("functions")
    seed = history.plan.of_replicate(1).seed
    _, _, alone = found("functions", seed=seed, replicates=1)
    assert_same_rounds(history.replicates[1], alone.replicates[0])
    mine = [control for control in history.controls if control.replicate == 1]
    assert_same_rounds(mine, alone.controls)


@pytest.mark.first_case
@pytest.mark.parametrize(
    ("kind", "kill"),
    [
        ("arrays", ((1, 1, "shuffle"), "on_train_batch_end", 4)),
        pytest.param("functions", ((1, 1, None), "on_train_begin"), marks=slow),
        pytest.param("shuffle", ((1, 0, "reinit"), "on_train_end"), marks=slow),
        ("shuffle", ((1, 1, "reinit_same_sign"), "on_epoch_begin", 1)),
    ],
)
def test_killed_and_resumed_equals_undisturbed(
    kind, kill, found, always_written, tmp_path
):
    killed, counts = trainer_of(kind, kill)
    with pytest.raises(Killed):
        search(killed, run_dir=tmp_path, verbose=0)
    *before, _ = counts
    again, counts = trainer_of(kind)
    history = search(again, run_dir=tmp_path, verbose=0).history
    _, _, expected = found(kind)
    assert_same_rounds(history.trainings(), expected.trainings())
    assert_same_rounds(RunDir(tmp_path).history().trainings(), expected.trainings())
    assert not set(before) & set(counts)


def dataset_of(x, y, batch=BATCH):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(batch)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (dataset_of, lambda x, y: dataset_of(x[:, 1:], y)),
        (dataset_of, lambda x, y: dataset_of(x, y, BATCH // 2)),
        (lambda x, y: (x, y), lambda x, y: (x[:20], y[:20])),
    ],
    ids=["shapes", "batches", "examples"],
)
def test_data_of_another_kind_for_another_seed_are_a_clear_error(first, other):
    trainer = Trainer(
        unseeded,
        lambda seed: other(*arrays()) if seed else first(*arrays()),
        Plan(replicates=2),
    )
    with pytest.raises(ValueError, match="one kind and number for every seed"):
        trainer.with_plan(trainer.plan.of_replicate(1), 1)


def test_a_replicate_on_a_plain_dataset_goes_on_where_the_one_before_ended(found):
    """So a seeded shuffle gives each an order of its own, once."""
    _, _, history = found("shuffle")
    losses = [rounds[0].outcome.curves["loss"] for rounds in history.replicates]
    assert losses[0] != losses[1]
