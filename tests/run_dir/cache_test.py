"""Searches that share: of equal trainings only the first one is done."""

import contextlib
import dataclasses
import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.fakes import FakeTrainer, Killed, architecture, manifest
from tf_lottery.bindings.shared.turns import Turns
from tf_lottery.core.errors import TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir import cache
from tf_lottery.run_dir.cache import Cache
from tf_lottery.run_dir.names import Place
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.find import run_replicates
from tf_lottery.search.progress import Progress


def searched(path, plan, share_with=None, trainer=None, **of):
    """The trainer of a search that is done, and what the search gave."""
    trainer = trainer or FakeTrainer(plan)
    found = manifest(plan, **of)
    run_dir = RunDir(path)
    with run_dir.open(found, overwrite=False):
        run = run_replicates(
            trainer,
            run_dir,
            Progress(0, plan, 100),
            found,
            Cache(share_with) if share_with else None,
        )
        return trainer, list(run)


def shared(path):
    """The directories of the trainings that searches share."""
    return sorted(each for each in (path / "trainings").iterdir())


def first_round(run_dir):
    return run_dir / "replicate_0" / "round_00"


def files(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def weights(rounds):
    return [
        {name: array.tobytes() for name, array in round.outcome.weights.items()}
        for round in rounds
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"pruning_rate": 0.5},
        {"rounds": 1},
        {"scope": "global"},
        {"criterion": "random"},
        {"layer_rates": {"logits": 0.4}},
        {"tolerance": 0.1},
    ],
    ids=str,
)
def test_searches_that_prune_otherwise_share_the_dense_training(tmp_path, changes):
    plan = Plan(rounds=2)
    searched(tmp_path / "one", plan, share_with=tmp_path)
    other = dataclasses.replace(plan, **changes)
    alone, expected = searched(tmp_path.parent / f"{tmp_path.name}_alone", other)
    trainer, rounds = searched(tmp_path / "two", other, share_with=tmp_path)
    assert 0 in alone.rounds_trained
    assert 0 not in trainer.rounds_trained
    assert weights(rounds) == weights(expected)


def test_every_common_round_is_shared(tmp_path):
    searched(tmp_path / "one", Plan(rounds=3), share_with=tmp_path)
    trainer, rounds = searched(tmp_path / "two", Plan(rounds=5), share_with=tmp_path)
    assert trainer.rounds_trained == [4, 5]
    assert len(rounds) == 6


def test_replicates_and_controls_are_shared_too(tmp_path):
    plan = Plan(rounds=2, replicates=2, controls=("reinit", "shuffle"))
    searched(tmp_path / "one", plan, share_with=tmp_path)
    trainer, rounds = searched(tmp_path / "two", plan, share_with=tmp_path)
    assert trainer.rounds_trained == []
    assert len(rounds) == 2 * (3 + 4)


@pytest.mark.parametrize(
    ("changes", "of"),
    [
        ({"steps": 500}, {}),
        ({"seed": 1}, {}),
        ({"batch_size": 7}, {}),
        ({}, {"data": {"dataset": {"batches": 8}}}),
        (
            {},
            {
                "architecture": {
                    "model": "other",
                    "compile_config": {"optimizer": "adam"},
                }
            },
        ),
        (
            {},
            {"architecture": architecture(optimizer="sgd")},
        ),
        ({}, {"devices": "two"}),
        ({"retrain": "fine_tune"}, {}),
    ],
    ids=str,
)
def test_what_trains_otherwise_is_not_shared(tmp_path, changes, of):
    plan = Plan(rounds=1)
    searched(tmp_path / "one", plan, share_with=tmp_path)
    other = dataclasses.replace(plan, **changes)
    trainer, _ = searched(tmp_path / "two", other, share_with=tmp_path, **of)
    assert trainer.rounds_trained == [0, 1]


def test_other_initial_weights_are_not_shared(tmp_path):
    plan = Plan(rounds=1)
    searched(tmp_path / "one", plan, share_with=tmp_path)
    trainer = FakeTrainer(plan, draw_as=lambda path, array: array + 1)
    searched(tmp_path / "two", plan, share_with=tmp_path, trainer=trainer)
    assert trainer.rounds_trained == [0, 1]


def test_a_late_rewind_shares_the_dense_training_and_replays_its_first_steps(tmp_path):
    searched(tmp_path / "one", Plan(rounds=2), share_with=tmp_path)
    late = Plan(rounds=2, rewind_to=20)
    _, expected = searched(tmp_path.parent / f"{tmp_path.name}_alone", late)
    trainer, rounds = searched(tmp_path / "two", late, share_with=tmp_path)
    assert trainer.rounds_trained == [1, 2]
    assert trainer.replayed == [20]
    assert weights(rounds) == weights(expected)
    assert rounds[1].ticket.step == 20


def test_what_does_not_repeat_is_not_replayed(tmp_path):
    searched(tmp_path / "one", Plan(rounds=1), share_with=tmp_path)
    late = Plan(rounds=1, rewind_to=20)
    trainer = FakeTrainer(late)
    trainer.replays = False
    searched(tmp_path / "two", late, share_with=tmp_path, trainer=trainer)
    assert trainer.rounds_trained == [0, 1]


def test_what_is_shared_takes_no_space_twice(tmp_path):
    searched(tmp_path / "one", Plan(rounds=1), share_with=tmp_path)
    searched(tmp_path / "two", Plan(rounds=1), share_with=tmp_path)
    one, two = (
        tmp_path / n / "replicate_0/round_00/outcome.safetensors"
        for n in ("one", "two")
    )
    assert os.path.samefile(one, two)


def test_where_nothing_can_be_linked_it_is_copied(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("another file system")

    monkeypatch.setattr(cache.os, "link", refuse)
    searched(tmp_path / "one", Plan(rounds=1), share_with=tmp_path)
    trainer, _ = searched(tmp_path / "two", Plan(rounds=1), share_with=tmp_path)
    one, two = (
        tmp_path / n / "replicate_0/round_00/outcome.safetensors"
        for n in ("one", "two")
    )
    assert trainer.rounds_trained == []
    assert not os.path.samefile(one, two)
    assert one.read_bytes() == two.read_bytes()


def test_a_search_that_is_removed_leaves_what_was_shared(tmp_path):
    plan = Plan(rounds=1)
    searched(tmp_path / "one", plan, share_with=tmp_path)
    _, rounds = searched(tmp_path / "two", plan, share_with=tmp_path)
    expected = weights(rounds)
    with RunDir(tmp_path / "one").open(manifest(plan), overwrite=True):
        pass
    assert weights(RunDir(tmp_path / "two").history()) == expected


def test_a_run_directory_may_be_elsewhere(tmp_path):
    plan, elsewhere = Plan(rounds=1), tmp_path / "elsewhere"
    _, expected = searched(elsewhere / "one", plan, share_with=tmp_path / "shared")
    trainer, rounds = searched(elsewhere / "two", plan, share_with=tmp_path / "shared")
    assert trainer.rounds_trained == []
    assert weights(rounds) == weights(expected)


def test_only_finished_trainings_of_searches_that_share_are_there(tmp_path):
    searched(tmp_path / "one", Plan(rounds=2))
    assert not (tmp_path / "trainings").exists()
    with contextlib.suppress(Killed):
        plan = Plan(rounds=2)
        trainer = FakeTrainer(plan, die_in=1)
        searched(tmp_path / "two", plan, share_with=tmp_path, trainer=trainer)
    (found,) = shared(tmp_path)
    assert files(found).keys() == {"outcome.safetensors", "metrics.json"}
    key = json.loads((found / "metrics.json").read_text())["key"]
    assert found.name == key
    for name in files(found):
        assert os.path.samefile(found / name, first_round(tmp_path / "two") / name)


def test_what_a_search_finished_before_is_shared_when_it_is_called_again(tmp_path):
    plan = Plan(rounds=2, controls=("reinit",))
    searched(tmp_path / "one", plan)
    again, _ = searched(tmp_path / "one", plan, share_with=tmp_path)
    trainer, _ = searched(tmp_path / "two", plan, share_with=tmp_path)
    assert (again.rounds_trained, trainer.rounds_trained) == ([], [])


def test_what_was_finished_on_another_machine_is_not_shared_as_of_this(tmp_path):
    plan = Plan(rounds=1)
    searched(tmp_path / "one", plan, devices="another")
    searched(tmp_path / "one", plan, share_with=tmp_path)
    trainer, _ = searched(tmp_path / "two", plan, share_with=tmp_path)
    assert trainer.rounds_trained == [0, 1]


@pytest.mark.parametrize(
    ("name", "number"),
    [("link", 1), ("link", 2), ("replace", 1), ("replace", 2), ("replace", 3)],
)
def test_killed_while_a_training_is_published_it_is_published_later(
    tmp_path, monkeypatch, name, number
):
    call, calls = getattr(os, name), iter(range(1, 100))

    def dying(source, target):
        if "trainings" in Path(target).parts and next(calls) == number:
            raise Killed
        call(source, target)

    plan = Plan(rounds=1)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(os, name, dying)
        searched(tmp_path / "one", plan, share_with=tmp_path)
    again, expected = searched(tmp_path / "one", plan, share_with=tmp_path)
    assert again.rounds_trained == [1]
    assert len(shared(tmp_path)) == 2
    trainer, rounds = searched(tmp_path / "two", plan, share_with=tmp_path)
    assert trainer.rounds_trained == []
    assert weights(rounds) == weights(expected)


def truncated(path):
    path.write_bytes(path.read_bytes()[:100])


DAMAGE = {
    "no metrics": lambda path: (path / "metrics.json").unlink(),
    "no outcome": lambda path: (path / "outcome.safetensors").unlink(),
    "no file": lambda path: [each.unlink() for each in path.iterdir()],
    "half metrics": lambda path: truncated(path / "metrics.json"),
    "half an outcome": lambda path: truncated(path / "outcome.safetensors"),
    "of another key": lambda path: exchange(path, shared(path.parent.parent)),
}


def exchange(path, all_of_them):
    other = next(each for each in all_of_them if each != path)
    shutil.rmtree(path)
    shutil.copytree(other, path)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_training_is_trained_again_and_replaced(tmp_path, damage):
    plan = Plan(rounds=1)
    one = tmp_path / "elsewhere" / "one"
    expected = weights(searched(one, plan, share_with=tmp_path)[1])
    key = json.loads((first_round(one) / "metrics.json").read_text())["key"]
    shutil.rmtree(tmp_path / "elsewhere")  # its files are linked
    damage(tmp_path / "trainings" / key)
    second, rounds = searched(tmp_path / "two", plan, share_with=tmp_path)
    assert second.rounds_trained == [0]
    assert weights(rounds) == expected
    third, rounds = searched(tmp_path / "three", plan, share_with=tmp_path)
    assert third.rounds_trained == []
    assert weights(rounds) == expected


def test_a_training_is_replaced_by_one_that_later_searches_can_use(tmp_path):
    """Where bits do not repeat, none is replayed."""
    for name, trained in (("one", [0, 1]), ("two", [0, 1]), ("three", [])):
        plan = Plan(rounds=1, rewind_to=0 if name == "one" else 20)
        trainer = FakeTrainer(plan)
        trainer.replays = False
        searched(tmp_path / name, plan, share_with=tmp_path, trainer=trainer)
        assert trainer.rounds_trained == trained


def test_every_training_has_a_key_of_its_own(tmp_path):
    searched(tmp_path, Plan(rounds=2, replicates=2, controls="reinit"))
    keys = [
        json.loads(path.read_text())["key"] for path in tmp_path.rglob("metrics.json")
    ]
    assert len(set(keys)) == len(keys) == 10


def test_a_kill_while_a_late_rewind_is_replayed_leaves_nothing_half(tmp_path):
    searched(tmp_path / "one", Plan(rounds=2), share_with=tmp_path)
    late = Plan(rounds=2, rewind_to=20)
    _, expected = searched(tmp_path.parent / f"{tmp_path.name}_alone", late)

    class Killed(FakeTrainer):
        def state_at(self, *_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "two", late, share_with=tmp_path, trainer=Killed(late))
    _, rounds = searched(tmp_path / "two", late, share_with=tmp_path)
    assert [round.ticket.step for round in rounds] == [0, 20, 20]
    assert weights(rounds) == weights(expected)


@pytest.mark.parametrize("steps", [(0, 20), (20, 0), (20, 40), (40, 20)])
def test_searches_share_their_dense_training_in_any_order(tmp_path, steps):
    first, second = (Plan(rounds=2, rewind_to=step) for step in steps)
    searched(tmp_path / "one", first, share_with=tmp_path)
    _, expected = searched(tmp_path.parent / f"{tmp_path.name}_alone", second)
    trainer, rounds = searched(tmp_path / "two", second, share_with=tmp_path)
    assert 0 not in trainer.rounds_trained
    assert weights(rounds) == weights(expected)
    assert [round.ticket.step for round in rounds[1:]] == [steps[1]] * 2


def test_a_training_that_was_stopped_early_is_not_shared(tmp_path):
    class Stopped(FakeTrainer):
        def train(self, *args, **kwargs):
            outcome = super().train(*args, **kwargs)
            return dataclasses.replace(outcome, last_step=outcome.last_step - 1)

    plan = Plan(rounds=1)
    searched(tmp_path / "one", plan, trainer=Stopped(plan), share_with=tmp_path)
    trainer, _ = searched(tmp_path / "two", plan, share_with=tmp_path)
    assert trainer.rounds_trained == [0, 1]


def test_what_cannot_be_told_apart_is_neither_shared_nor_known(tmp_path):
    plan = Plan(rounds=1)
    for name in ("one", "two"):
        trainer = FakeTrainer(plan)
        trainer.unknown = "callbacks"
        searched(tmp_path / name, plan, share_with=tmp_path, trainer=trainer)
        assert trainer.rounds_trained == [0, 1]
    assert shared(tmp_path) == []
    keys = [json.loads(p.read_text())["key"] for p in tmp_path.rglob("metrics.json")]
    assert keys == [None] * 4


def test_a_round_without_the_state_that_it_needs_is_refused(tmp_path):
    late = Plan(rounds=1, rewind_to=20)
    run_dir = RunDir(tmp_path)
    with run_dir.open(manifest(late), overwrite=False):
        trainer = FakeTrainer(late)
        dense = trainer.dense()
        run_dir.replicate_dir().save_ticket(dense, Place(0))
        outcome = dataclasses.replace(trainer.train(dense), next_start=None)
        run_dir.replicate_dir().save_outcome(dense, outcome, Place(0))
    with pytest.raises(TicketError, match="state that later tickets start from"):
        searched(tmp_path, late)


def test_what_is_shared_is_said(tmp_path, capsys):
    plan = Plan(rounds=1)
    searched(tmp_path / "one", plan, share_with=tmp_path)
    run_dir, found = RunDir(tmp_path / "two"), manifest(plan)
    with run_dir.open(found, overwrite=False):
        progress, shared_with = Progress(2, plan, 100), Cache(tmp_path)
        list(run_replicates(FakeTrainer(plan), run_dir, progress, found, shared_with))
    said = " ".join(capsys.readouterr().out.split())
    for path in shared(tmp_path):
        assert f"is shared: it is in {path}." in said
    assert "round 0 is shared" in said
    assert "round 1 is shared" in said


def test_a_wait_for_another_search_is_said_once(tmp_path):
    first, second = Cache(tmp_path), Cache(tmp_path)
    said, done = [], []

    def other():
        with second.alone("key", lambda: said.append("waits")):
            done.append("second")

    with first.alone("key", lambda: said.append("never")):
        thread = threading.Thread(target=other)
        thread.start()
        while not said:
            time.sleep(0.01)
        done.append("first")
    thread.join()
    assert (said, done) == (["waits"], ["first", "second"])


def test_locks_are_removed_when_the_training_is_finished(tmp_path):
    searched(tmp_path / "one", Plan(rounds=1), share_with=tmp_path)
    assert all(path.is_dir() for path in shared(tmp_path))


def test_a_lock_of_a_search_that_was_killed_holds_nobody_up(tmp_path):
    plan = Plan(rounds=1)
    searched(tmp_path / "one", plan, share_with=tmp_path)
    keys = [path.name for path in shared(tmp_path)]
    shutil.rmtree(tmp_path / "trainings")
    (tmp_path / "trainings").mkdir()
    for key in keys:
        (tmp_path / "trainings" / f"{key}.lock").touch()
    searched(tmp_path / "two", plan, share_with=tmp_path)
    assert [path.name for path in shared(tmp_path)] == keys


def test_a_directory_to_share_with_is_made_and_must_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    for path in ("", tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="`share_with` must be a directory"):
            Cache(path)
    Cache(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_searches_side_by_side_that_wait_for_each_other_both_end(tmp_path):
    """While one holds a training, the other holds what the first one needs next."""
    cache, both, waited, done = Cache(tmp_path), threading.Barrier(2), [], []

    def search(*keys):
        turns = Turns(2, dict)

        def training(key):
            with cache.alone(key, lambda: waited.append(keys)):
                if key == keys[0]:
                    both.wait(20)  # each search has one
                for _ in range(3):
                    turns.ask(key)
            yield key

        done.append(sorted(turns.run(map(training, keys))))

    orders = ("a", "b"), ("b", "a")
    searches = [threading.Thread(target=search, args=keys) for keys in orders]
    for each in searches:
        each.start()
    for each in searches:
        each.join(20)
    assert done == [["a", "b"]] * 2
    assert waited
