"""A run directory gives back what was done, and is nobody else's to change."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import tf_lottery
from tests.fakes import FakeTrainer, architecture, manifest, written
from tf_lottery.core.archive import Archive
from tf_lottery.core.errors import PlanMismatchError, TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.run_dir.names import Place
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.rounds import run_rounds

PLAN = Plan(rounds=2, rewind_to=20)


def opened(path, plan=PLAN, overwrite=False, **changes):
    """Opens and leaves a run directory."""
    with RunDir(path).open(manifest(plan, **changes), overwrite=overwrite):
        pass


@pytest.fixture
def run(tmp_path):
    """A run directory with three rounds."""
    return written(tmp_path / "run", PLAN).path


def files(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def same_arrays(one, other):
    return set(one) == set(other) and all(
        one[name].tobytes() == other[name].tobytes() for name in one
    )


# What comes back.


@pytest.mark.parametrize(
    ("retrain", "rewind_to"),
    [("rewind", 0), ("rewind", 20), ("lr_rewind", 0), ("fine_tune", 0)],
)
def test_the_history_is_that_of_the_search(tmp_path, retrain, rewind_to):
    plan = Plan(rounds=3, retrain=retrain, rewind_to=rewind_to)
    history = written(tmp_path, plan).history()
    expected = list(run_rounds(FakeTrainer(plan), plan))
    assert (history.plan, history.monitor, history.maximize) == (
        plan,
        "val_accuracy",
        True,
    )
    assert [round.number for round in history] == [0, 1, 2, 3]
    for found, round in zip(history, expected, strict=True):
        assert found.row() == round.row()
        assert found.outcome.record() == round.outcome.record()
        assert found.ticket.masks == round.ticket.masks
        assert found.ticket.step == round.ticket.step
        assert same_arrays(found.ticket.weights, round.ticket.weights)
        assert same_arrays(found.outcome.weights, round.outcome.weights)
        assert same_arrays(found.outcome.best_weights, round.outcome.best_weights)


def test_the_optimizer_at_the_rewind_point_comes_back_bit_by_bit(tmp_path):
    ticket = written(tmp_path, PLAN).history()[1].ticket
    trainer = FakeTrainer(PLAN)
    _, state = trainer.train(trainer.dense()).next_start
    assert ticket.step == 20
    assert same_arrays(ticket.state, state)


def test_a_search_that_goes_on_has_the_history_of_what_is_finished(run):
    (run / "replicate_0" / "round_02" / "metrics.json").unlink()
    assert RunDir(run).replicate_dir().finished() == 2
    assert [round.number for round in RunDir(run).history()] == [0, 1]


def test_a_round_after_a_gap_is_not_finished(run):
    (run / "replicate_0" / "round_01" / "metrics.json").unlink()
    assert RunDir(run).replicate_dir().finished() == 1


def test_metrics_that_are_no_numbers_come_back_as_nan(tmp_path):
    plan = Plan(rounds=1, monitor="val_loss")
    with pytest.warns(UserWarning, match="`val_accuracy`.* became NaN or infinite"):
        run_dir = written(tmp_path, plan, scores=[0.9, np.nan])
    history = run_dir.history()
    assert np.isnan(history.score(1))
    assert np.isnan(history[1].outcome.metrics["test_accuracy"])


def test_an_empty_directory_has_no_history(tmp_path):
    with pytest.raises(TicketError, match="must be a run directory"):
        RunDir(tmp_path).history()


def test_masks_are_written_once_and_weights_only_where_they_differ(run):
    tickets = [Archive(p) for p in sorted(run.rglob("round_*/ticket.safetensors"))]
    assert [len(archive.group("state")) > 0 for archive in tickets] == [
        True,
        False,
        False,
    ]


# Whose directory it is.

OTHERS = {"pruning_rate": 0.3, "seed": 7, "epochs": 2, "scope": "global"}


@pytest.mark.parametrize("name", OTHERS)
def test_another_plan_is_an_error_that_names_what_differs(run, name):
    values = {"rounds": 2, "rewind_to": 20, name: OTHERS[name]}
    with pytest.raises(PlanMismatchError) as error:
        opened(run, Plan(**values))
    there = getattr(PLAN, name)
    for part in (str(run), f"`{name}`", f"{there!r} there", f"{OTHERS[name]!r} here"):
        assert part in str(error.value)
    assert "overwrite=True" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"architecture": architecture("b")},
            "layers",
        ),
        (
            {"architecture": architecture(optimizer="sgd")},
            "optimizer",
        ),
        (
            {"data": {"dataset": {"batches": 8}}},
            "`dataset` batches is 9 there and 8 here",
        ),
    ],
)
def test_another_model_or_data_is_an_error_that_names_it(run, changes, named):
    with pytest.raises(PlanMismatchError, match=named):
        opened(run, **changes)


def test_a_refused_search_changes_no_file(run):
    before = files(run)
    with pytest.raises(PlanMismatchError):
        opened(run, Plan(seed=7))
    assert files(run) == before


@pytest.mark.parametrize(
    "same",
    [{"rounds": 9}, {"tolerance": 0.1}, {"monitor": "val_loss"}, {"mode": "max"}],
)
def test_more_rounds_or_another_judgement_continue_the_search(run, same):
    opened(run, Plan(**{"rounds": 2, "rewind_to": 20, **same}))
    assert RunDir(run).replicate_dir().finished() == 3


def test_the_order_of_layer_rates_is_part_of_the_plan(tmp_path):
    opened(tmp_path, Plan(layer_rates={"dense": 0.5, "d*": 0.1}))
    with pytest.raises(PlanMismatchError, match="`layer_rates`"):
        opened(tmp_path, Plan(layer_rates={"d*": 0.1, "dense": 0.5}))


def test_a_search_with_a_local_criterion_can_be_continued(tmp_path):
    plan = Plan(criterion=lambda ticket, outcome: outcome.weights)
    opened(tmp_path, plan)
    opened(tmp_path, plan)


def test_plan_json_is_readable_and_says_who_wrote_it(run):
    found = json.loads((run / "plan.json").read_text())
    assert found["fingerprint"] == PLAN.fingerprint
    assert Plan.from_json(found["plan"]) == PLAN
    assert set(found["versions"]) == {"tf_lottery"}  # no package trains here


# Two at a time.


def test_a_second_process_gets_a_clear_error_at_once(tmp_path):
    code = (
        "import sys; from tests.run_dir.run_dir_test import opened\n"
        "try: opened(sys.argv[1])\n"
        "except ValueError as error: print(error)"
    )
    with RunDir(tmp_path).open(manifest(PLAN), overwrite=False):
        command = [sys.executable, "-c", code, str(tmp_path)]
        printed = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert "is in use by another process" in printed.stdout, printed.stderr
    opened(tmp_path)


def test_a_second_search_in_this_process_gets_the_same_error(tmp_path):
    with (
        RunDir(tmp_path).open(manifest(PLAN), overwrite=False),
        pytest.raises(ValueError, match="in use by another process"),
    ):
        opened(tmp_path)


def test_a_search_that_failed_holds_no_lock_though_its_error_is_kept(tmp_path):
    # A notebook keeps the last traceback, and with it every local variable.
    run_dir = RunDir(tmp_path)
    with pytest.raises(KeyError) as kept, run_dir.open(manifest(PLAN), overwrite=False):
        raise KeyError
    opened(tmp_path)
    assert kept.value


def test_a_refused_search_holds_no_lock_though_its_error_is_kept(run):
    with pytest.raises(PlanMismatchError) as kept:
        opened(run, Plan(seed=7))
    opened(run)
    assert kept.value


# Overwriting.


def test_overwrite_removes_the_search(run):
    opened(run, Plan(seed=7), overwrite=True)
    assert RunDir(run).replicate_dir().finished() == 0
    assert Plan.from_json(RunDir(run).manifest()["plan"]).seed == 7
    assert not (run / "ticket.safetensors").exists()


def test_overwrite_removes_no_file_of_anyone_else(run):
    precious = [run / "notes.txt", run / "code" / "train.py", run / "summary.docx"]
    precious.append(run / "replicate_1\u0662" / "round_00" / "ticket.safetensors")
    for file in precious:
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text("precious")
    link = run / "replicate_0" / "controls" / "round_link"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to("nowhere")
    opened(run, Plan(seed=7), overwrite=True)
    assert [file.read_text() for file in precious] == ["precious"] * len(precious)
    assert link.is_symlink()


@pytest.mark.parametrize("name", ["report.html", "accuracy.png", "summary.csv"])
def test_overwrite_removes_nothing_where_no_search_was(tmp_path, name):
    (tmp_path / name).write_text("precious")
    opened(tmp_path, overwrite=True)
    assert (tmp_path / name).read_text() == "precious"


def test_overwrite_replaces_a_damaged_search(run):
    (run / "plan.json").write_text("{")
    opened(run, overwrite=True)
    assert RunDir(run).replicate_dir().finished() == 0


# Directories that cannot work.


def _file(path):
    path.write_text("a file")
    return path


def _below_a_file(path):
    return _file(path) / "run"


def _in_proc(path):
    return "/proc/lottery"


@pytest.mark.parametrize("make", [_file, _below_a_file, _in_proc])
def test_what_is_no_directory_is_an_error_that_names_it(tmp_path, make):
    path = make(tmp_path / "x")
    with pytest.raises(ValueError, match="`run_dir` must be a directory") as error:
        opened(path)
    assert str(path) in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(ValueError, match="can be written") as error:
        opened(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_opening_leaves_no_trace_but_the_plan_and_the_lock(tmp_path):
    opened(tmp_path / "new" / "run")
    names = {file.name for file in (tmp_path / "new" / "run").iterdir()}
    assert names <= {"plan.json", ".lock"}


def test_rounds_without_a_plan_are_an_error(run):
    (run / "plan.json").unlink()
    with pytest.raises(ValueError, match=r"without a plan\.json"):
        opened(run)


# Damage.

DAMAGES = ["", "{", "{}", "[]", "null", '{"plan": {}}', "\x00\xff"]


@pytest.mark.parametrize("text", DAMAGES)
def test_a_damaged_plan_is_an_error_that_names_the_file(run, text):
    (run / "plan.json").write_text(text, encoding="latin-1")
    for act in (lambda: opened(run), lambda: RunDir(run).history()):
        with pytest.raises(TicketError, match=r"plan\.json"):
            act()


def test_a_plan_of_a_later_version_is_an_error_that_names_the_file(run):
    found = RunDir(run).manifest()
    found["plan"]["granularity"] = "filter"
    (run / "plan.json").write_text(json.dumps(found))
    for act in (lambda: opened(run), lambda: RunDir(run).history()):
        with pytest.raises((TicketError, PlanMismatchError), match=str(run)):
            act()


def test_a_search_of_an_earlier_version_is_an_error_that_says_what_to_do(run):
    for path in run.rglob("*.safetensors"):
        path.rename(path.with_suffix(".npz"))
    manifest = json.loads((run / "plan.json").read_text())
    del manifest["digest"]
    (run / "plan.json").write_text(json.dumps(manifest))
    for act in (lambda: opened(run), lambda: RunDir(run).history()):
        with pytest.raises(TicketError, match=r"earlier version.*--overwrite"):
            act()
    opened(run, overwrite=True)
    RunDir(run).manifest()


@pytest.mark.parametrize("text", DAMAGES)
def test_damaged_metrics_are_an_error_that_names_the_round(run, text):
    path = run / "replicate_0" / "round_01" / "metrics.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(TicketError, match="round_01"):
        RunDir(run).history()


@pytest.mark.parametrize("name", ["ticket.safetensors", "outcome.safetensors"])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_a_damaged_round_is_an_error_that_names_it(run, number, name, damage):
    path = run / "replicate_0" / f"round_{number:02d}" / name
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    with pytest.raises(TicketError, match=f"round_{number:02d}"):
        RunDir(run).history()


def test_bug_of_distiller_76_an_outcome_is_read_for_other_masks(run):
    run_dir = RunDir(run)
    outcome_of_another = run / "replicate_0" / "round_02" / "outcome.safetensors"
    outcome_of_another.replace(run / "replicate_0" / "round_01" / "outcome.safetensors")
    with pytest.raises(TicketError, match="other masks"):
        run_dir.history()


def test_a_round_asked_for_with_other_masks_is_an_error(run):
    run_dir = RunDir(run)
    one, two = run_dir.history()[1:3]
    other = Ticket(two.ticket.masks, one.ticket.state, round=1)
    with pytest.raises(TicketError, match="other masks"):
        run_dir.replicate_dir().outcome(other, Place(1))


def test_other_devices_are_a_warning_where_rounds_are_left(run):
    plan = dataclasses.replace(PLAN, rounds=9)
    with pytest.warns(UserWarning, match="other devices: None, and now 2 GPUs"):
        opened(run, plan, devices="2 GPUs")


def test_a_finished_search_keeps_the_devices_that_trained_it(run):
    opened(run, PLAN, devices="2 GPUs")
    assert RunDir(run).manifest()["devices"] is None


def test_a_history_loads_from_its_directory_alone(tmp_path):
    written(tmp_path / "run", Plan(rounds=2))
    history = tf_lottery.load_history(tmp_path / "run")
    assert [round.number for round in history] == [0, 1, 2]
    with pytest.raises(TicketError, match="must be a run directory"):
        tf_lottery.load_history(tmp_path)
