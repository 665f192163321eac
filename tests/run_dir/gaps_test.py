"""Trainings that are missing before later ones are named, with what a call does."""

import shutil

import pytest

from tests.fakes import FakeTrainer
from tests.run_dir.contents import contents
from tests.search.searching import PLAN, search
from tf_lottery.cli.main import main, parse
from tf_lottery.core.errors import TicketError
from tf_lottery.run_dir.names import METRICS, TICKET
from tf_lottery.run_dir.run_dir import RunDir, load_history
from tf_lottery.run_dir.verify import verify
from tf_lottery.search.find import chosen

pytestmark = pytest.mark.filterwarnings("ignore:The control 'shuffle' of round")


@pytest.fixture
def run(tmp_path, whole):
    run = shutil.copytree(whole[1], tmp_path / "run")
    chosen(RunDir(run).history()).save(run / TICKET)
    return run


def shown(run, capsys):
    main(parse(["tf_lottery", "show", str(run)]))
    return capsys.readouterr().out


def test_nothing_is_missing_of_a_whole_search(run, capsys):
    assert "missing" not in shown(run, capsys)


@pytest.mark.parametrize("replicate", [0, 1])
def test_a_round_that_is_missing_before_later_ones_is_named(run, capsys, replicate):
    path = run / f"replicate_{replicate}" / "round_01"
    shutil.rmtree(path)
    said = shown(run, capsys)
    assert f"{path} is missing, although replicate_{replicate} has finished" in said
    assert "up to round 2" in said
    assert "call trains it again. If that gives the same weights" in said
    with pytest.raises(TicketError, match="round_01 is missing, although"):
        list(verify(run))


def test_the_call_that_it_advises_mends_it(run, whole):
    shutil.rmtree(run / "replicate_0" / "round_01")
    trainer = FakeTrainer(PLAN)
    search(run, trainer)
    assert trainer.controls == [(0, 1, None)]
    assert contents(run) == contents(whole[1])


def test_a_round_that_is_not_finished_before_later_ones_is_named(run, capsys):
    (run / "replicate_0" / "round_01" / METRICS).unlink()
    assert "round_01 is not finished, although" in shown(run, capsys)


def test_a_round_whose_controls_alone_are_left_is_named(run, capsys):
    shutil.rmtree(run / "replicate_1" / "round_02")
    assert "replicate_1/round_02 is missing, although" in shown(run, capsys)


def test_initial_weights_that_are_gone_cannot_be_made_again(run):
    shutil.rmtree(run / "replicate_0" / "round_00")
    with pytest.raises(SystemExit, match=r"round_00 is missing.*put that file back"):
        main(parse(["tf_lottery", "show", str(run)]))


def test_a_replicate_that_is_missing_is_named(run):
    shutil.rmtree(run / "replicate_0")
    with pytest.raises(SystemExit, match=r"replicate_0 is missing\. The same call"):
        main(parse(["tf_lottery", "show", str(run)]))


def test_a_search_that_only_began_has_no_gap(run, capsys):
    for path in (run / "replicate_0" / "round_02", run / "replicate_1"):
        shutil.rmtree(path)
    shutil.rmtree(run / "replicate_0" / "controls")
    assert "missing" not in shown(run, capsys)
    assert len(load_history(run)) == 2
