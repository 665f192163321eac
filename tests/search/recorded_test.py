"""A search that was killed continues, and ends as if it had not been."""

import contextlib

import numpy as np
import pytest

from tests.fakes import FakeTrainer, Killed, manifest
from tests.run_dir.contents import contents
from tests.search.searching import dying, in_file
from tf_lottery.core.archive import Archive, Group, save
from tf_lottery.core.errors import TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.keys import Keys
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.progress import Progress
from tf_lottery.search.recorded import Recorded
from tf_lottery.search.rounds import run_rounds

PLANS = [
    Plan(rounds=3, evaluate_every=50),
    Plan(rounds=3, rewind_to=20),
    Plan(rounds=3, retrain="lr_rewind"),
    Plan(rounds=3, retrain="fine_tune"),
    Plan(rounds=3, criterion="random"),
]
each_plan = pytest.mark.parametrize(
    "plan", PLANS, ids=["rewind", "late rewind", "lr_rewind", "fine_tune", "random"]
)


def search(path, trainer, verbose=0):
    """Runs or continues a search; the rounds until it ended or was killed."""
    run_dir, plan = RunDir(path), trainer.plan
    rounds = []
    with contextlib.suppress(Killed), run_dir.open(manifest(plan), overwrite=False):
        recorded = Recorded(
            trainer,
            run_dir.replicate_dir(),
            Progress(verbose, plan, 100),
            Keys(manifest(plan)),
        )
        for round in run_rounds(recorded, plan):
            rounds.append(round)
    return rounds


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Runs a search that nothing disturbs, once for each plan."""
    found = {}

    def run(plan):
        if str(plan) not in found:
            path, trainer = tmp_path_factory.mktemp("whole"), FakeTrainer(plan)
            rounds = search(path, trainer)
            assert trainer.rounds_trained == list(range(plan.rounds + 1))
            found[str(plan)] = rounds, contents(path)
        return found[str(plan)]

    return run


@each_plan
def test_a_recorded_search_gives_what_one_in_memory_gives(whole, plan):
    in_memory = list(run_rounds(FakeTrainer(plan), plan))
    recorded, _ = whole(plan)
    for one, two in zip(in_memory, recorded, strict=True):
        assert one.ticket.masks == two.ticket.masks
        assert one.outcome.record() == two.outcome.record()


@each_plan
@pytest.mark.parametrize("number", range(4))
def test_killed_in_a_round_it_trains_only_what_is_missing(
    tmp_path, whole, plan, number
):
    assert len(search(tmp_path / "run", FakeTrainer(plan, die_in=number))) == number
    again = FakeTrainer(plan)
    rounds = search(tmp_path / "run", again)
    assert again.rounds_trained == [0, 1, 2, 3][number:]
    expected, expected_contents = whole(plan)
    assert [r.ticket.masks for r in rounds] == [r.ticket.masks for r in expected]
    assert contents(tmp_path / "run") == expected_contents


# Two writes open the directory. The first round has five: its ticket, the state to
# rewind to, the checkpoint, the outcome and its metrics. The others have four. The last
# two are written when the search has yielded its rounds.
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 16))
def test_killed_at_any_write_it_ends_with_the_same_files(
    tmp_path, whole, monkeypatch, number, when
):
    plan = Plan(rounds=2, rewind_to=20, evaluate_every=50)
    _, expected = whole(plan)
    killed, again = FakeTrainer(plan), FakeTrainer(plan)
    with monkeypatch.context() as patched:
        patched.setattr("tf_lottery.core.archive.atomic", dying(number, when))
        assert len(search(tmp_path / "run", killed)) < 3 or number > 13
    assert len(search(tmp_path / "run", again)) == 3
    assert contents(tmp_path / "run") == expected
    # At most the round that was being written is trained twice, and the next, which had
    # begun meanwhile.
    assert len(set(killed.rounds_trained) & set(again.rounds_trained)) <= 2


def test_a_finished_search_trains_nothing(tmp_path):
    search(tmp_path, FakeTrainer(PLANS[0]))
    again = FakeTrainer(PLANS[0])
    rounds = search(tmp_path, again)
    assert again.trained == []
    assert [round.number for round in rounds] == [0, 1, 2, 3]


def test_more_rounds_go_on_from_the_last(tmp_path):
    search(tmp_path / "run", FakeTrainer(Plan(rounds=1)))
    more = FakeTrainer(Plan(rounds=3))
    rounds = search(tmp_path / "run", more)
    assert more.rounds_trained == [2, 3]
    at_once = search(tmp_path / "at once", FakeTrainer(Plan(rounds=3)))
    assert rounds[-1].ticket.masks == at_once[-1].ticket.masks


def test_arrays_come_from_the_directory_and_not_from_memory(tmp_path):
    rounds = search(tmp_path, FakeTrainer(PLANS[1]))
    for round in rounds:
        assert in_file(round.outcome.weights)
        assert isinstance(round.ticket.state, Group)


def test_initial_weights_come_from_the_directory_and_others_are_a_warning(tmp_path):
    plan = Plan(rounds=1)
    other = FakeTrainer(plan, draw_as=lambda path, array: array + 1)
    expected = search(tmp_path, FakeTrainer(plan))
    with pytest.warns(UserWarning, match=r"in its run directory\. .* are not used"):
        rounds = search(tmp_path, other)
    assert rounds[1].ticket.masks == expected[1].ticket.masks


def test_the_same_initial_weights_are_not_reported(tmp_path, capsys):
    plan = Plan(rounds=1)
    search(tmp_path, FakeTrainer(plan))
    search(tmp_path, FakeTrainer(plan), verbose=2)
    assert "initial weights" not in capsys.readouterr().out


def test_a_model_of_other_shapes_is_an_error(tmp_path):
    plan = Plan(rounds=1)
    search(tmp_path, FakeTrainer(plan))
    with pytest.raises(TicketError, match="another model"):
        search(tmp_path, FakeTrainer(plan, shapes={"dense/kernel": (2, 2)}))


def test_each_round_has_a_checkpoint_of_its_own_which_goes_when_it_is_finished(
    tmp_path,
):
    trainer = FakeTrainer(PLANS[0])
    search(tmp_path, trainer)
    assert [path.parent.name for path in trainer.checkpoints] == [
        f"round_{number:02d}" for number in range(4)
    ]
    assert not list(tmp_path.rglob("checkpoint*"))


def test_a_round_changed_by_hand_is_trained_no_further(tmp_path):
    plan = Plan(rounds=3)
    search(tmp_path, FakeTrainer(plan, die_in=2))
    path = tmp_path / "replicate_0" / "round_00" / "outcome.safetensors"
    archive = Archive(path)
    weights = dict(archive.group("final"))
    weights["dense/kernel"] = np.linspace(1, 2, 30, dtype="f4").reshape(6, 5)
    save(path, {"final": weights, "best": weights}, archive.header, archive.masks)
    with pytest.raises(TicketError, match=r"metrics\.json and .* different trainings"):
        search(tmp_path, FakeTrainer(plan))


# The bug museum (PEERS.md).


def test_bug_of_distiller_76_resume_loses_the_masks(tmp_path):
    plan = Plan(rounds=3)
    before = search(tmp_path, FakeTrainer(plan, die_in=3))[-1].ticket.masks
    rounds = search(tmp_path, FakeTrainer(plan))
    assert rounds[2].ticket.masks == before
    assert rounds[3].ticket.masks.issubset(before)
    assert rounds[3].ticket.masks.kept < before.kept


def test_bug_of_keras_tuner_439_an_interrupted_search_starts_from_zero(tmp_path):
    trained = []
    for number in (1, 2, 3, None):
        trainer = FakeTrainer(Plan(rounds=3), die_in=number)
        search(tmp_path, trainer)
        trained += trainer.rounds_trained
    assert trained == [0, 1, 2, 3]
