"""Files are written in their order while a search goes on, and errors are not lost."""

import errno
import os
import signal
import threading
import time

import pytest

from tests.fakes import FakeTrainer, manifest
from tests.run_dir.contents import contents
from tests.search.searching import search
from tf_lottery.core.kept import keeping, kept
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir import run_dir
from tf_lottery.run_dir.names import Place
from tf_lottery.run_dir.training_files import TrainingFiles
from tf_lottery.run_dir.writer import Writer

SECONDS = 20


def test_jobs_are_done_in_their_order_by_another_thread():
    done: list[tuple] = []
    with Writer() as writer:
        for number in range(9):
            writer.write(lambda n=number: done.append((n, threading.current_thread())))
        writer.wait()
        assert [number for number, _ in done] == list(range(9))
    assert threading.current_thread() not in {thread for _, thread in done}


def test_a_call_does_not_wait_and_the_end_does():
    goes_on, done = threading.Event(), []

    def job():
        assert goes_on.wait(SECONDS)
        done.append(True)

    with Writer() as writer:
        writer.write(job)
        writer.check()
        assert not done
        goes_on.set()
    assert done


@pytest.mark.parametrize("first", [KeyboardInterrupt("the first"), None])
def test_ctrl_c_while_it_ends_leaves_nothing_to_be_written_later(first):
    """Another search may use the directory afterwards."""
    ends, done = threading.Event(), []

    def job():
        assert ends.wait(SECONDS)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.1)
        done.append(True)

    match = "the first" if first else None
    with pytest.raises(KeyboardInterrupt, match=match), Writer() as writer:
        for _ in range(2):
            writer.write(job)
        ends.set()
        if first:
            raise first
    assert done == [True] * 2


@pytest.mark.parametrize("look", ["check", "wait", "write", "end"])
def test_an_error_is_raised_at_the_next_look_and_nothing_follows_it(look):
    done: list[int] = []

    def fails():
        raise OSError(errno.ENOSPC, "no space")

    with pytest.raises(OSError, match="no space"), Writer() as writer:
        writer.write(fails)
        writer._due[0].exception(SECONDS)
        writer._thread.submit(writer._do, lambda: done.append(1)).result(SECONDS)
        if look == "write":
            writer.write(lambda: done.append(2))
        elif look != "end":
            getattr(writer, look)()
    assert not done


def test_errors_say_what_of_the_search_is_kept():
    found = []
    with keeping("runs/one"), Writer() as writer:
        writer.write(lambda: found.append(kept()))
    assert found == [" What is finished is kept in 'runs/one'."]


def test_a_search_goes_on_while_an_outcome_is_written(tmp_path, monkeypatch):
    """Round 1 is trained before the outcome of round 0 is on disk."""
    began = threading.Event()
    write = TrainingFiles.write_outcome

    def waiting(files, *args):
        if files.of["round"] == 0:
            assert began.wait(SECONDS)
        write(files, *args)

    class Telling(FakeTrainer):
        def train(self, ticket, **how):
            if ticket.round == 1:
                assert not run_dir.RunDir(tmp_path).replicate_dir().finished()
                began.set()
            return super().train(ticket, **how)

    plan = Plan(rounds=2, evaluate_every=50)
    monkeypatch.setattr(TrainingFiles, "write_outcome", waiting)
    found = search(tmp_path, Telling(plan))
    assert [round.number for round in found] == [0, 1, 2]
    monkeypatch.undo()
    search(tmp_path / "alone", FakeTrainer(plan))
    assert contents(tmp_path) == contents(tmp_path / "alone")


def test_a_ticket_is_on_disk_before_other_files_of_its_training(tmp_path, monkeypatch):
    names: list[tuple] = []
    replace = os.replace

    def noted(source, target, **options):
        names.append((target.parent.name, target.name.split(".")[0]))
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", noted)
    search(tmp_path, FakeTrainer(Plan(rounds=2, evaluate_every=50)))
    for number in range(3):
        files = [name for place, name in names if place == f"round_{number:02d}"]
        assert files[0] == "ticket"
        assert files[-2:] == ["outcome", "metrics"]


def test_a_full_disk_ends_the_search_with_its_error(tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise OSError(errno.ENOSPC, "no space left: finished trainings are kept")

    plan = Plan(rounds=3, evaluate_every=50)
    trainer = FakeTrainer(plan)
    with monkeypatch.context() as patched:
        patched.setattr(TrainingFiles, "write_outcome", fails)
        with pytest.raises(OSError, match="finished trainings are kept"):
            search(tmp_path, trainer)
    assert len(trainer.trained) <= 2
    assert len(search(tmp_path, FakeTrainer(plan))) == 4


def test_arrays_are_equal_before_and_after_they_are_written(tmp_path):
    plan = Plan(rounds=1, evaluate_every=50)
    trainer, opened = FakeTrainer(plan), run_dir.RunDir(tmp_path)
    with opened.open(manifest(plan), overwrite=False):
        directory = opened.replicate_dir()
        ticket = trainer.dense()
        outcome = trainer.train(ticket)
        directory.save_ticket(ticket, Place(0))
        found = directory.save_later(ticket, outcome, Place(0), None)
        before = {name: found.weights[name].copy() for name in found.weights}
        directory.writer.wait()
        assert found.weights.arrays is not outcome.weights
        for name, array in before.items():
            assert (found.weights[name] == array).all()
