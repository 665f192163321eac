"""Instability: copies of a network, and the line between where they end."""

import dataclasses

import filelock
import numpy as np
import pytest

from tests.models import (
    BATCH,
    STEPS,
    arrays,
    batches,
    compiled,
    keras,
    layers,
    tf,
    tiny,
    with_state,
)
from tf_lottery import Data, Plan, Trainer, find_rewind_point, instability
from tf_lottery.core import archive
from tf_lottery.core.masks import Masks
from tf_lottery.studies.instability import Instability

VALIDATION = arrays(48, 5)


def trainer_of(model=None, dataset=None, **plan):
    plan = {"rounds": 1, "epochs": 3, **plan}
    if dataset is None or isinstance(dataset, tuple):
        plan["batch_size"] = BATCH
    return Trainer(
        model or compiled(tiny()),
        dataset or arrays(),
        Plan(**plan),
        validation_data=VALIDATION,
    )


def convex():
    """One layer with a quadratic penalty: its loss has one minimum."""
    return compiled(
        keras.Sequential(
            [
                keras.Input((8,)),
                layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.05)),
            ]
        ),
        keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.5, 60, 0.5)),
    )


def deep():
    """Three layers at a high learning rate."""
    keras.utils.set_random_seed(3)
    body = [layers.Dense(24, activation="relu", name=f"d{n}") for n in range(3)]
    return compiled(
        keras.Sequential([keras.Input((8,)), *body, layers.Dense(3)]),
        keras.optimizers.Adam(0.04),
    )


def seeded(seed):
    data = tf.data.Dataset.from_tensor_slices(arrays()).shuffle(96, seed=seed)
    return data.batch(BATCH)


def test_a_convex_model_is_stable_from_the_first_step_on():
    plan = {"epochs": 100, "evaluate_every": 100 * STEPS, "monitor": "val_loss"}
    trainer = trainer_of(convex(), **plan)
    found = instability(trainer, trainer.dense(), points=7, verbose=0)
    (line,) = found.errors
    assert found.value == pytest.approx(0, abs=2e-4)
    assert found.is_stable(0.02)
    assert max(line) - min(line) < 1e-3


@pytest.mark.slow
def test_a_deep_network_is_less_stable_the_earlier_its_copies_part():
    learned_by_heart = arrays()[0], np.random.default_rng(0).integers(3, size=96)
    plan = Plan(rounds=1, epochs=40, batch_size=BATCH, evaluate_every=40 * STEPS)
    trainer = Trainer(deep, learned_by_heart, plan, validation_data=learned_by_heart)
    early, late = (
        instability(trainer, trainer.dense(), k, points=9, verbose=0)
        for k in (0, 38 * STEPS)
    )
    assert early.value > 0.1
    assert late.is_stable()


@pytest.mark.slow
def test_the_ends_of_a_line_are_the_copies_and_its_middle_their_mean(tmp_path):
    trainer = trainer_of()
    found = instability(
        trainer, trainer.dense(), 5, points=3, run_dir=tmp_path, verbose=0
    )
    (line,) = found.errors
    start = dataclasses.replace(
        trainer.dense(), step=5, state=trainer.state_at(trainer.dense(), 5)
    )
    copies = [trainer.reordered(number, start) for number in (0, 1)]
    ends = [other.train(copy).weights for other, copy in copies]
    middle = {name: (ends[0][name] + ends[1][name]) / 2 for name in ends[0]}
    for weights, error in zip([ends[0], middle, ends[1]], line, strict=True):
        accuracy = trainer.evaluate(start, weights)["val_accuracy"]
        assert error == pytest.approx(1 - accuracy, abs=1e-6)
    assert found.value == pytest.approx(max(line) - (line[0] + line[2]) / 2)


def test_the_value_is_the_mean_over_all_pairs():
    trainer = trainer_of()
    found = instability(trainer, trainer.dense(), copies=3, points=4, verbose=0)
    assert len(found.errors) == 3
    assert found.value == pytest.approx(np.mean(found.values))
    assert found.metric == "val_accuracy"


def test_instability_is_the_highest_error_less_the_mean_of_the_ends():
    found = Instability(0, "val_accuracy", (0, 0.5, 1), ((0.1, 0.6, 0.3), (0, 0, 0.2)))
    assert found.values == pytest.approx((0.4, 0.1))
    assert found.value == pytest.approx(0.25)
    assert found.is_stable(0.26)
    assert not found.is_stable(0.25)


@pytest.mark.slow
def test_copies_keep_the_masks_of_a_ticket(tmp_path):
    trainer = trainer_of()
    masks = Masks({p: np.arange(m.size).reshape(m.shape) % 2 == 0
                   for p, m in trainer.dense().masks.items()})  # fmt: skip
    ticket = dataclasses.replace(trainer.dense(), masks=masks)
    instability(trainer, ticket, 3, run_dir=tmp_path, points=2, verbose=0)
    files = map(archive.Archive, tmp_path.rglob("outcome*"))
    kept = [np.count_nonzero(file["final/hidden/kernel"]) for file in files]
    assert kept == [masks["hidden/kernel"].sum()] * 2


@pytest.mark.slow
def test_copies_that_a_directory_has_are_not_trained_again(tmp_path):
    def measured():
        trainer = trainer_of(dataset=seeded)
        found = instability(
            trainer, trainer.dense(), 4, points=3, run_dir=tmp_path, verbose=0
        )
        return found, trainer.spent

    (first, trained), (second, again) = measured(), measured()
    assert trained == [4, 3 * STEPS - 4, 3 * STEPS - 4]
    assert again == [4]  # to the step where the copies part
    assert first == second


def test_copies_of_a_network_with_dropout_draw_other_noise(tmp_path):
    trainer = trainer_of(compiled(with_state()), dataset=lambda seed: batches())
    found = instability(trainer, trainer.dense(), points=2, verbose=0)
    assert found.errors  # in one order of the data, they differ all the same


@pytest.mark.parametrize("dataset", [batches, lambda: lambda seed: batches()])
def test_data_in_one_order_are_an_error(dataset):
    trainer = trainer_of(dataset=dataset())
    with pytest.raises(ValueError, match=r"different orders\. Received: data"):
        instability(trainer, trainer.dense(), verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 3 * STEPS}, r"`k` must be a step from 0, .* to before 18"),
        ({"k": "soon"}, r"`k` must be a number of steps"),
        ({"copies": 1}, r"`copies` must be at least 2"),
        ({"points": 0}, r"`points` must be an integer >= 1"),
    ],
)
def test_what_cannot_be_measured_is_an_error_before_training(arguments, message):
    trainer = trainer_of()
    with pytest.raises(ValueError, match=message):
        instability(trainer, trainer.dense(), verbose=0, **arguments)
    assert trainer.spent == []


def test_without_validation_data_there_is_no_instability():
    trainer = Trainer(compiled(tiny()), arrays(), Plan(rounds=1))
    with pytest.raises(ValueError, match="`validation_data` to the Trainer"):
        instability(trainer, trainer.dense(), verbose=0)


def split_by(seed):
    """A function that splits arrays, or batches of them, under a seed."""
    x, y = arrays()
    order = np.random.default_rng(seed).permutation(len(x))
    train, validation = order[:64], order[64:]
    return (x[train], y[train]), (x[validation], y[validation])


def test_arrays_of_a_function_that_splits_by_seed_are_those_of_one_seed(tmp_path):
    def dataset(seed):
        train, validation = split_by(seed)
        return Data(train, validation)

    plan = Plan(rounds=1, epochs=2, batch_size=BATCH)
    trainer = Trainer(compiled(tiny()), dataset, plan)
    copy, _ = trainer.reordered(1, trainer.dense())
    data = [each._session.data.data.train for each in (trainer, copy)]
    assert all(map(np.array_equal, *data))
    assert instability(trainer, trainer.dense(), points=2, verbose=0).errors


def test_datasets_of_a_function_that_splits_by_seed_are_refused():
    def dataset(seed):
        train, validation = map(tf.data.Dataset.from_tensor_slices, split_by(seed))
        return Data(train.shuffle(64, seed=seed).batch(BATCH), validation.batch(BATCH))

    trainer = Trainer(compiled(tiny()), dataset, Plan(rounds=1, epochs=2))
    with pytest.raises(ValueError, match="whose validation data differ by seed"):
        instability(trainer, trainer.dense(), verbose=0)
    assert trainer.spent == []


def test_the_instability_of_a_loss_has_no_default_threshold(tmp_path):
    found = Instability(0, "val_loss", (0, 1), ((0.1, 0.3),))
    with pytest.raises(ValueError, match="'val_loss' is not a fraction"):
        found.is_stable()
    assert found.is_stable(0.2)
    with pytest.raises(ValueError, match="Pass one"):
        point(tmp_path)
    assert not list(tmp_path.iterdir())


def test_two_processes_do_not_write_the_same_copies(tmp_path):
    trainer = trainer_of()
    (tmp_path / "copies").mkdir()
    with (
        filelock.FileLock(tmp_path / "copies" / ".lock"),
        pytest.raises(ValueError, match="in use by another process"),
    ):
        instability(trainer, trainer.dense(), run_dir=tmp_path, points=2, verbose=0)


# The state at a step.


@pytest.mark.slow
@pytest.mark.first_case
@pytest.mark.parametrize("dataset", [arrays, lambda: seeded], ids=["arrays", "seeded"])
def test_the_state_at_a_step_is_that_of_the_whole_training(dataset):
    model = compiled(with_state())
    for step in (1, STEPS, 2 * STEPS + 3):
        whole = trainer_of(model, dataset(), rewind_to=step)
        outcome = whole.train(whole.dense())
        part = trainer_of(model, dataset())
        state = part.state_at(part.dense(), step)
        found, expected = outcome.next_start
        assert found == step
        assert state.keys() == expected.keys()
        assert all(np.array_equal(state[name], expected[name]) for name in state)


def test_each_training_gets_the_data_from_their_beginning():
    dense = trainer_of(dataset=seeded)
    first, second = (dense.train(dense.dense()) for _ in range(2))
    assert first.curves == second.curves


# The point to rewind to.


def point(tmp_path, dataset=seeded, **arguments):
    return find_rewind_point(
        deep,
        dataset,
        **{
            "candidates": [0, 4, "1ep"],
            "epochs": 4,
            "pruning_rate": 0.6,
            "points": 5,
            "validation_data": VALIDATION,
            "run_dir": tmp_path,
            "verbose": 0,
            "monitor": "val_loss",
            **arguments,
        },
    )


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """A walk that finds no stable step, and its directory."""
    path = tmp_path_factory.mktemp("walk")
    return point(path, threshold=-1e9), path


@pytest.mark.slow
def test_the_walk_ends_at_the_first_stable_step(tmp_path):
    found = point(tmp_path, threshold=1e9)
    assert (found.step, len(found.tried)) == (0, 1)
    assert found.trainings == 2 + 2
    assert "`rewind_to=0`" in found.reason


@pytest.mark.slow
def test_a_walk_without_a_stable_step_says_so(walk):
    found, _ = walk
    assert found.step is None
    assert [each.step for each in found.tried] == [0, 4, 6]
    assert "No step up to 6 was stable" in found.reason


@pytest.mark.slow
def test_a_walk_trains_one_dense_network_and_says_what_it_cost(walk):
    found, _ = walk
    last = 4 * STEPS
    walks = [(0, 0), (4, 4), (6, 6)]
    expected = last + sum(prefix + 3 * (last - start) for prefix, start in walks)
    assert found.steps == expected
    assert f"{found.trainings} trainings of {expected:,} steps" in found.reason


@pytest.mark.slow
def test_a_walk_that_was_stopped_goes_on(walk):
    first, path = walk
    again = point(path, threshold=-1e9)
    assert again.tried == first.tried
    assert again.trainings == 0


@pytest.mark.slow
def test_a_shared_walk_finds_what_separate_searches_find(walk, tmp_path):
    shared, _ = walk
    alone = point(tmp_path, threshold=-1e9, candidates=[6])
    assert shared.tried[-1] == alone.tried[0]


def test_candidates_must_be_steps_of_a_training(tmp_path):
    with pytest.raises(ValueError, match=r"`candidates` must be steps before .* 24"):
        point(tmp_path, candidates=[24])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replicates": 2}, "runs a plain search"),
        ({"controls": ["reinit"]}, "runs a plain search"),
        ({"copies": 1}, "`copies` must be at least 2"),
        ({"validation_data": None}, "measured on validation data"),
    ],
)
def test_what_cannot_be_walked_is_an_error_before_training(
    tmp_path, arguments, message
):
    with pytest.raises(ValueError, match=message):
        point(tmp_path, threshold=1.0, **{"monitor": None, **arguments})
    assert not list(tmp_path.iterdir())
