"""Replicates and controls in one run directory: what a search yields, and keeps."""

import dataclasses
import json
import shutil

import pytest

from tests.fakes import FakeTrainer
from tests.run_dir.contents import content, contents, which
from tests.search.searching import (
    PLAN,
    SMALL,
    TRAININGS,
    in_file,
    search,
)
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.find import collected
from tf_lottery.search.progress import Progress
from tf_lottery.verdict.judge import judge

pytestmark = pytest.mark.filterwarnings("ignore:The control 'shuffle' of round")


def test_each_replicate_has_its_rounds_and_then_its_controls(whole):
    found, path = whole
    assert [which(round) for round in found] == TRAININGS
    assert sorted(map(str, contents(path))) == sorted(map(str, TRAININGS))
    assert RunDir(path).left(PLAN) == 0


def test_the_history_of_the_directory_is_that_of_the_search(whole):
    found, path = whole
    searched = collected(found, PLAN, "val_accuracy", True)
    stored = RunDir(path).history()
    assert stored.plan == searched.plan == PLAN
    assert [len(rounds) for rounds in searched.replicates] == [3, 3]
    assert stored.rows() == searched.rows()
    for ours, theirs in zip(searched.trainings(), stored.trainings(), strict=True):
        assert which(ours) == which(theirs)
        assert content(ours, "weights") == content(theirs, "weights")


def test_each_training_has_a_directory_and_a_key_of_its_own(whole):
    _, path = whole
    files = sorted(path.rglob("metrics.json"))
    keys = {json.loads(file.read_text())["key"] for file in files}
    assert len(files) == len(keys) == len(TRAININGS)
    assert path / "replicate_1/controls/shuffle/round_02/draw_1/metrics.json" in files


def test_arrays_are_read_from_the_directory_and_not_kept_in_memory(whole):
    found, _ = whole
    assert all(in_file(round.outcome.weights) for round in found)


@pytest.mark.parametrize("number", [0, 1])
def test_a_replicate_is_the_search_of_its_seed_alone(tmp_path, whole, number):
    alone = dataclasses.replace(PLAN, replicates=1, seed=PLAN.of_replicate(number).seed)
    search(tmp_path, FakeTrainer(alone))
    every = contents(whole[1]).items()
    mine = {key[1:]: value for key, value in every if key[0] == number}
    assert mine == {key[1:]: value for key, value in contents(tmp_path).items()}


# What a user sees of it.


def test_the_cost_and_the_lines_say_replicate_and_control(tmp_path, capsys):
    plan = dataclasses.replace(SMALL, replicates=3)
    progress = Progress(2, plan, 100)
    progress.begin(4, "runs/lenet")
    found = search(tmp_path, FakeTrainer(plan))
    for training in found:
        progress.line(training, "val_accuracy")
    said = capsys.readouterr().out.splitlines()
    for part in ("15 trainings", "3 x (3 rounds and 2 controls)", "4 done already"):
        assert part in said[0]
    assert len(said) == 16
    assert "replicate 2 of 3" in said[-1]
    assert "reinit  2/2" in said[-1]


def test_a_replicate_that_was_removed_keeps_its_place(tmp_path):
    plan = dataclasses.replace(SMALL, replicates=3)
    list(search(tmp_path, FakeTrainer(plan)))
    shutil.rmtree(tmp_path / "replicate_1" / "round_00")
    history = RunDir(tmp_path).history()
    assert [len(rounds) for rounds in history.replicates] == [3, 0, 3]
    assert {r.replicate for r in history.replicates[2]} == {2}
    assert {r.replicate for r in history.controls} == {0, 2}
    assert judge(history).rounds[1].replicates == 2


def test_the_plan_of_a_replicate_is_one_search_of_its_seed():
    own = dataclasses.replace(SMALL, replicates=5).of_replicate(3)
    assert own.replicates == 1
    assert own.seed != SMALL.seed
