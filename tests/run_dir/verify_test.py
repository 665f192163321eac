"""`verify` derives a search again, and finds what does not follow."""

import shutil

import numpy as np
import pytest

from tests.core.files import span
from tests.fakes import FakeTrainer, manifest, written
from tests.run_dir.forging import edited_plan, resealed, rewritten
from tests.search.searching import search as searched
from tf_lottery.core.errors import TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.run_dir.verify import verify

K = "dense/kernel"


@pytest.fixture
def run(tmp_path):
    return written(tmp_path, Plan(rounds=2, rewind_to=20)).path


def file_of(run, number, name):
    return run / "replicate_0" / f"round_{number:02d}" / name


def fails(run, message):
    with pytest.raises(TicketError, match=message):
        list(verify(run))


@pytest.mark.parametrize(
    "plan",
    [
        Plan(rounds=3),
        Plan(rounds=2, rewind_to=20),
        Plan(rounds=2, retrain="lr_rewind"),
        Plan(rounds=2, retrain="fine_tune"),
        Plan(rounds=2, criterion="random"),
        Plan(rounds=1, scope="global"),
        Plan(rounds=2, block_size=(1, 3)),
    ],
    ids=lambda plan: f"{plan.retrain}-{plan.criterion}-{plan.scope}",
)
def test_a_whole_search_verifies_with_a_line_for_each_round(tmp_path, plan):
    lines = list(verify(written(tmp_path, plan).path))
    assert [f"round {n:>2}" in line for n, line in enumerate(lines)] == [True] * len(
        lines
    )
    assert len(lines) == plan.rounds + 1


def test_a_plan_with_other_blocks_is_not_that_of_the_files(tmp_path):
    run = written(tmp_path, Plan(rounds=2, block_size=(1, 3))).path
    edited_plan(run, block_size=[1, 1])
    fails(run, "ticket.safetensors belongs to another search")


def test_an_empty_search_is_an_error(tmp_path):
    with RunDir(tmp_path).open(manifest(Plan()), overwrite=False):
        pass
    fails(tmp_path, "no finished round")


def test_masks_that_do_not_follow_from_the_weights_are_found(run):
    def other_weights(groups, masks):
        groups["final"][K] = np.where(masks[K], np.linspace(1, 2, 30).reshape(6, 5), 0)

    rewritten(file_of(run, 0, "outcome.safetensors"), other_weights)
    resealed(run / "replicate_0")
    fails(run, "masks of round 1 do not follow")


def test_a_pruned_weight_that_is_not_zero_is_found(run):
    def revived(groups, masks):
        groups["best"][K][~masks[K]] = 1e-30

    rewritten(file_of(run, 2, "outcome.safetensors"), revived)
    resealed(run / "replicate_0")
    fails(run, f"{K}")


def test_a_weight_that_is_no_number_is_found(run):
    def diverged(groups, masks):
        groups["final"]["dense/bias"][0] = np.nan

    rewritten(file_of(run, 2, "outcome.safetensors"), diverged)
    resealed(run / "replicate_0")
    fails(run, "dense/bias")


@pytest.mark.parametrize(
    "array", ["final/dense/bias", "best/dense/bias", f"next/optimizer:m/{K}"]
)
def test_a_damaged_array_is_found_also_one_that_no_round_has_used_yet(run, array):
    file_of(run, 1, "metrics.json").unlink()
    path = file_of(run, 0, "outcome.safetensors")
    whole = bytearray(path.read_bytes())
    whole[span(path, array)[0]] ^= 1
    path.write_bytes(whole)
    fails(run, array)


def test_a_returned_ticket_of_another_search_is_found(run, tmp_path_factory):
    other = written(tmp_path_factory.mktemp("other"), Plan(rounds=2, seed=7))
    other.history()[2].trained.save(run / "ticket.safetensors")
    fails(run, "other masks than round 2")


def test_a_returned_ticket_of_this_search_verifies(run):
    RunDir(run).history()[2].trained.save(run / "ticket.safetensors")
    assert "ticket.safetensors: round 2" in list(verify(run))[-1]


def test_a_returned_ticket_with_other_weights_is_found(run):
    ticket = RunDir(run).history()[2].trained
    ticket.save(run / "ticket.safetensors")

    def other_start(groups, masks):
        groups["state"][K][masks[K]] += 1

    rewritten(run / "ticket.safetensors", other_start)
    fails(run, "ticket.safetensors")


def test_a_returned_ticket_of_a_round_that_is_missing_is_found(run):
    RunDir(run).history()[2].trained.save(run / "ticket.safetensors")
    file_of(run, 2, "metrics.json").unlink()
    fails(run, "ticket.safetensors")


# Replicates and controls.


@pytest.fixture
def several(tmp_path):
    plan = Plan(rounds=1, replicates=2, controls=("reinit",))
    searched(tmp_path, FakeTrainer(plan))
    return tmp_path


def test_every_replicate_and_control_is_verified(several):
    lines = list(verify(several))
    rounds = [(replicate, number) for replicate in range(2) for number in range(2)]
    for line, (replicate, number) in zip(lines[:4], rounds, strict=True):
        assert f"replicate {replicate}  round  {number}" in line
    assert lines[4:] == ["controls: 2, whole"]
    for path in several.rglob("*.safetensors"):
        whole = path.read_bytes()
        path.unlink()
        fails(several, path.parent.name)
        path.write_bytes(whole)


def test_masks_of_another_replicate_are_found(several):
    path = several / "replicate_1" / "round_01"
    shutil.rmtree(path)
    shutil.copytree(several / "replicate_0" / "round_01", path)
    fails(several, "round_01.*must be the file of replicate 1, round 1")


def test_a_pruned_weight_of_a_control_that_is_not_zero_is_found(several):
    def revived(groups, masks):
        groups["final"][K][~masks[K]] = 1

    of = several / "replicate_1" / "controls" / "reinit" / "round_01" / "draw_0"
    rewritten(of / "outcome.safetensors", revived)
    resealed(several / "replicate_1")
    fails(several, K)


@pytest.mark.parametrize("replicate", [0, 1])
@pytest.mark.parametrize("number", [0, 1])
def test_a_returned_ticket_of_any_replicate_verifies(several, replicate, number):
    round = RunDir(several).history().replicates[replicate][number]
    round.trained.save(several / "ticket.safetensors")
    expected = f"ticket.safetensors: round {number}, masks and weights as in the search"
    assert list(verify(several))[-1] == expected


def test_verifying_writes_nothing(run):
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*")}
    list(verify(run))
    assert {file: file.stat().st_mtime_ns for file in run.rglob("*")} == before


def test_bug_of_tfmot_631_the_check_checks_nothing(run):
    # Every file of the search is needed: without any of them, verifying fails.
    for path in sorted(run.rglob("*.safetensors")):
        whole = path.read_bytes()
        path.unlink()
        with pytest.raises(TicketError):
            list(verify(run))
        path.write_bytes(whole)
    assert len(list(verify(run))) == 3
