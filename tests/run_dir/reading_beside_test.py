"""Who reads a run directory while a search writes it gets no false claim."""

import shutil
import threading

import pytest

from tests.fakes import FakeTrainer, manifest
from tests.search.searching import PLAN, SMALL, search
from tf_lottery.core.errors import TicketError
from tf_lottery.run_dir import verify as verify_module
from tf_lottery.run_dir.names import METRICS, TICKET
from tf_lottery.run_dir.replicate_dir import ReplicateDir
from tf_lottery.run_dir.run_dir import RunDir, load_history
from tf_lottery.run_dir.verify import gaps
from tf_lottery.search.find import chosen

pytestmark = pytest.mark.filterwarnings("ignore:The control 'shuffle' of round")


@pytest.fixture
def run(tmp_path, whole):
    return shutil.copytree(whole[1], tmp_path / "run")


def once(function, before):
    """The function, before whose first call something is done."""
    waiting = [before]

    def called(*args, **kwargs):
        if waiting:
            waiting.pop()()
        return function(*args, **kwargs)

    return called


def test_a_search_that_starts_again_meanwhile_is_read_again(run, monkeypatch):
    def begin():
        with RunDir(run).open(manifest(SMALL), overwrite=True):
            pass

    outcome = once(ReplicateDir.outcome, begin)
    monkeypatch.setattr(ReplicateDir, "outcome", lambda *args: outcome(*args))
    history = load_history(run)
    assert history.plan == SMALL
    assert not history.trainings()


def test_a_search_that_ends_meanwhile_is_read_again(run, monkeypatch):
    chosen(load_history(run)).save(run / TICKET)
    (run / "replicate_1" / "round_02" / METRICS).unlink()
    reads = []
    trainings = RunDir.trainings

    def end():
        search(run, FakeTrainer(PLAN))
        chosen(RunDir(run).trainings()).save(run / TICKET, overwrite=True)

    check = once(trainings, end)
    monkeypatch.setattr(
        RunDir, "trainings", lambda self: reads.append(1) or check(self)
    )
    assert len(load_history(run).replicates[1]) == 3
    assert reads


def test_trainings_that_are_being_removed_are_no_gap(run):
    shutil.rmtree(run / "replicate_0" / "round_01")
    assert gaps(RunDir(run), PLAN)
    (run / "plan.json").unlink()
    run_dir = RunDir(run)
    run_dir._search = "any"
    assert gaps(run_dir, PLAN) == []


def test_a_round_that_ends_meanwhile_leaves_no_gap(run, monkeypatch):
    last = run / "replicate_0" / "round_01"
    shutil.move(last, run / "elsewhere")
    ended = once(verify_module.numbered, lambda: shutil.move(run / "elsewhere", last))
    monkeypatch.setattr(verify_module, "numbered", ended)
    assert gaps(RunDir(run), PLAN) == []


def test_initial_weights_that_vanish_are_said_to_be_missing(run, monkeypatch):
    monkeypatch.setattr(ReplicateDir, "dense", lambda self, plan: None)
    with pytest.raises(TicketError, match=r"round_00/ticket\.safetensors is missing"):
        load_history(run)


def test_reading_beside_a_live_search_is_never_wrong(tmp_path):
    path, errors = tmp_path / "run", []
    ended = threading.Event()

    def read():
        while not ended.is_set():
            try:
                errors.extend(gaps(RunDir(path), load_history(path).plan))
            except TicketError as error:
                if "without a plan.json" not in str(error):
                    errors.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(3):
            search(path, FakeTrainer(PLAN))
            chosen(RunDir(path).history()).save(path / TICKET, overwrite=True)
            with RunDir(path).open(manifest(PLAN), overwrite=True):
                pass
    finally:
        ended.set()
        reader.join()
    assert errors == []


def test_nothing_is_written_by_reading(run):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    for path in run.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    run.chmod(0o555)
    try:
        gaps(RunDir(run), load_history(run).plan)
    finally:
        for path in [run, *run.rglob("*")]:
            path.chmod(0o755)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
