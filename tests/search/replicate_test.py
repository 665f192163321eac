"""Replicates and controls in one run directory: whatever came first, and was killed.

Trained by arithmetic, so that every training of a search can be the last one.
"""

import contextlib
import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
from hypothesis import given

from tests.core.extent_test import extents
from tests.fakes import FakeTrainer, Killed, facts
from tf_lottery.core import controls, io
from tf_lottery.core.errors import PlanMismatchError, TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.report.table import unfinished
from tf_lottery.search.facts import widest
from tf_lottery.search.identity import Identity
from tf_lottery.search.progress import Progress
from tf_lottery.search.replicates import collected, run_replicates
from tf_lottery.search.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:The control 'shuffle' of round")
SMALL = Plan(rounds=2, replicates=2, controls=("reinit",))
PLAN = Plan(
    rounds=2,
    rewind_to=20,
    controls=("reinit", "shuffle"),
    control_rounds={"reinit": (1,), "shuffle": (2,)},
    control_replicates=2,
    replicates=2,
)
TRAININGS = [(replicate, *t) for replicate in range(2) for t in PLAN.trainings()]


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda file: None)
        yield


class InAnyOrder(FakeTrainer):
    """Its data do not depend on what was trained before, as those of arrays."""

    def train(self, *args, **kwargs):
        self.opened = 0
        return super().train(*args, **kwargs)


class Dying(FakeTrainer):
    """Dies instead of the training of that number."""

    def __init__(self, plan, number):
        super().__init__(plan)
        self._last = number

    def train(self, *args, **kwargs):
        if len(self.trained) == self._last:
            raise Killed
        return super().train(*args, **kwargs)


def search(path, trainer, verbose=0):
    """Runs or continues a search; what it yielded until it ended or was killed."""
    store, plan = Store(path), trainer.plan
    found = []
    with contextlib.suppress(Killed), store.open(facts(plan), overwrite=False):
        progress, identity = Progress(verbose, plan, 100), Identity(facts(plan))
        for round in run_replicates(trainer, store, progress, identity):
            found.append(round)
    return found


def trained(path, plan, kind=InAnyOrder):
    """(replicate, round, control) of what a search has to train."""
    trainer = kind(plan)
    search(path, trainer)
    return trainer.controls


def which(round):
    return round.replicate, round.number, round.control, round.draw


def content(round):
    """What a training was, and what it gave, but for what only time changes."""
    ticket, outcome = round.ticket, round.outcome
    arrays = [ticket.weights, outcome.weights, outcome.best_weights]
    if outcome.next_start:
        arrays.append(outcome.next_start[1])
    return (
        ticket.masks.digest(),
        ticket.step,
        ticket.plan.seed,
        outcome.record(),
        [{name: np.asarray(a[name]).tobytes() for name in a} for a in arrays],
    )


def contents(path):
    """What a run directory says of each training."""
    return {which(each): content(each) for each in Store(path).history().trainings()}


def arrays_of(path):
    """The files of trainings, byte by byte."""
    files = path.glob("replicate_*/**/*.*")
    return {f.relative_to(path): f.read_bytes() for f in files if f.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that nothing disturbs: what it yielded, and its directory."""
    path = tmp_path_factory.mktemp("whole")
    return search(path, FakeTrainer(PLAN)), path


@pytest.fixture(scope="module")
def with_control(tmp_path_factory):
    """The plan of a small search with a control, and what its directory says."""
    plan, path = Plan(rounds=1, controls="reinit"), tmp_path_factory.mktemp("control")
    search(path, FakeTrainer(plan))
    return plan, contents(path)


# What it yields and keeps.


def test_each_replicate_has_its_rounds_and_then_its_controls(whole):
    found, path = whole
    assert [which(round) for round in found] == TRAININGS
    assert sorted(map(str, contents(path))) == sorted(map(str, TRAININGS))
    assert Store(path).left(PLAN) == 0


def test_the_history_of_the_directory_is_that_of_the_search(whole):
    found, path = whole
    searched = collected(found, PLAN, "val_accuracy", True)
    stored = Store(path).history()
    assert stored.plan == searched.plan == PLAN
    assert [len(rounds) for rounds in searched.replicates] == [3, 3]
    assert stored.rows() == searched.rows()
    for ours, theirs in zip(searched.trainings(), stored.trainings(), strict=True):
        assert which(ours) == which(theirs)
        assert content(ours) == content(theirs)


def test_each_training_has_a_directory_and_a_key_of_its_own(whole):
    _, path = whole
    files = sorted(path.rglob("metrics.json"))
    keys = {json.loads(file.read_text())["key"] for file in files}
    assert len(files) == len(keys) == len(TRAININGS)
    assert path / "replicate_1/controls/shuffle/round_02/draw_1/metrics.json" in files


def test_arrays_are_read_from_the_directory_and_not_kept_in_memory(whole):
    found, _ = whole
    assert all(isinstance(round.outcome.weights, io.Group) for round in found)


@pytest.mark.parametrize("number", [0, 1])
def test_a_replicate_is_the_search_of_its_seed_alone(tmp_path, whole, number):
    alone = dataclasses.replace(PLAN, replicates=1, seed=PLAN.of_replicate(number).seed)
    search(tmp_path, FakeTrainer(alone))
    every = contents(whole[1]).items()
    mine = {key[1:]: value for key, value in every if key[0] == number}
    assert mine == {key[1:]: value for key, value in contents(tmp_path).items()}


# Killed.


@pytest.mark.parametrize("number", range(len(TRAININGS)))
def test_killed_in_any_training_it_ends_as_if_it_had_not_been(tmp_path, whole, number):
    path = tmp_path / "run"
    before = search(path, Dying(PLAN, number))
    assert [which(round) for round in before] == TRAININGS[:number]
    assert Store(path).left(PLAN) == len(TRAININGS) - number
    again = FakeTrainer(PLAN)
    found = search(path, again)
    assert again.controls == [which[:3] for which in TRAININGS[number:]]
    assert [which(round) for round in found] == TRAININGS
    assert contents(path) == contents(whole[1])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(2, 12))
def test_killed_at_any_write_of_a_control_it_ends_with_the_same_files(
    tmp_path, with_control, monkeypatch, number, when
):
    plan, expected = with_control
    atomic, writes = io.atomic, iter(range(1000))

    @contextlib.contextmanager
    def dying(path):
        due = next(writes) == number
        with atomic(path) as temporary:
            yield temporary
            if due and when == "before":
                raise Killed
        if due:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(io, "atomic", dying)
        search(tmp_path / "run", FakeTrainer(plan))
    assert next(writes) == number + 1, "it was not killed"
    search(tmp_path / "run", FakeTrainer(plan))
    assert contents(tmp_path / "run") == expected
    assert Store(tmp_path / "run").left(plan) == 0
    assert not list((tmp_path / "run").rglob("checkpoint*"))
    assert not list((tmp_path / "run").rglob(f"{io.TEMPORARY}*"))


def test_a_finished_search_trains_nothing(tmp_path):
    first = search(tmp_path, FakeTrainer(SMALL))
    again = FakeTrainer(SMALL)
    found = search(tmp_path, again)
    assert again.trained == []
    assert list(map(content, found)) == list(map(content, first))


# More, later. What was trained stays, and what comes is what would have come at once.

MORE = {
    "replicates": (
        {"replicates": 3},
        [(2, 0, None), (2, 1, None), (2, 2, None), (2, 1, "reinit"), (2, 2, "reinit")],
    ),
    "rounds": (
        {"rounds": 3},
        [(0, 3, None), (0, 3, "reinit"), (1, 3, None), (1, 3, "reinit")],
    ),
    "controls": (
        {"controls": ("random_mask", "reinit")},
        [(r, n, "random_mask") for r in (0, 1) for n in (1, 2)],
    ),
    "control_replicates": (
        {"control_replicates": 2},
        [(r, n, "reinit") for r in (0, 1) for n in (1, 2)],
    ),
}


@pytest.mark.parametrize("what", MORE)
def test_more_of_it_later_trains_only_what_is_new(tmp_path, what):
    changes, expected = MORE[what]
    more = dataclasses.replace(SMALL, **changes)
    trained(tmp_path / "later", SMALL)
    before = arrays_of(tmp_path / "later")
    assert trained(tmp_path / "later", more) == expected
    after = arrays_of(tmp_path / "later")
    assert {name: after[name] for name in before} == before
    trained(tmp_path / "at once", more)
    assert contents(tmp_path / "later") == contents(tmp_path / "at once")


def test_controls_later_are_those_of_a_search_that_had_them_at_once(tmp_path):
    """Also where the data depend on what came before: controls come after rounds."""
    alone = dataclasses.replace(SMALL, controls=())
    trained(tmp_path / "later", alone, FakeTrainer)
    assert trained(tmp_path / "later", SMALL, FakeTrainer) == [
        (r, n, "reinit") for r in (0, 1) for n in (1, 2)
    ]
    trained(tmp_path / "at once", SMALL, FakeTrainer)
    assert contents(tmp_path / "later") == contents(tmp_path / "at once")


def test_control_rounds_may_be_added(tmp_path):
    one = dataclasses.replace(SMALL, control_rounds=(1,))
    trained(tmp_path, one)
    other = dataclasses.replace(SMALL, control_rounds={"reinit": (2,)})
    assert trained(tmp_path, other) == [(0, 2, "reinit"), (1, 2, "reinit")]
    assert Store(tmp_path).facts()["plan"]["control_rounds"] == {"reinit": [1, 2]}
    assert trained(tmp_path, SMALL) == []


# Fewer, later. Nothing is lost.

FEWER = [
    {"replicates": 1},
    {"rounds": 1, "control_rounds": None},
    {"controls": (), "control_rounds": None},
    {"controls": ("shuffle",), "control_rounds": None},
    {"control_rounds": (1,)},
    {"control_replicates": 1},
    {
        "rounds": 1,
        "replicates": 1,
        "controls": (),
        "control_rounds": None,
        "control_replicates": 1,
    },
]


@pytest.mark.parametrize("changes", FEWER, ids=str)
def test_fewer_of_it_later_trains_and_loses_nothing(whole, tmp_path, changes):
    shutil.copytree(whole[1], tmp_path, dirs_exist_ok=True)
    before = arrays_of(tmp_path)
    fewer = dataclasses.replace(PLAN, **changes)
    missing = set(fewer.trainings()) - set(PLAN.trainings())  # of shuffle, round 1
    again = FakeTrainer(fewer)
    found = search(tmp_path, again)
    assert len(again.trained) == len(missing) * fewer.replicates
    expected = [(r, *t) for r in range(fewer.replicates) for t in fewer.trainings()]
    assert [which(round) for round in found] == expected
    after = arrays_of(tmp_path)
    assert {name: after[name] for name in before} == before
    assert contents(whole[1]).items() <= contents(tmp_path).items()
    kept = Plan.from_json(Store(tmp_path).facts()["plan"])
    assert set(PLAN.trainings()) <= set(kept.trainings())
    assert kept.replicates == 2


@given(extents(), extents())
def test_the_widest_plan_trains_what_either_trains_and_asks_for_no_more(one, other):
    both = [
        Plan.from_json(widest(a.to_json(), b.to_json()))
        for a, b in ((one, other), (other, one))
    ]
    for wide in both:
        assert widest(wide.to_json(), one.to_json())["rounds"] == wide.rounds
        assert (wide.rounds, wide.replicates, wide.control_replicates) == tuple(
            max(getattr(one, name), getattr(other, name))
            for name in ("rounds", "replicates", "control_replicates")
        )
        controlled = {t[:2] for plan in (one, other) for t in plan.trainings()}
        every = {(number, None) for number in range(wide.rounds + 1)}
        assert {t[:2] for t in wide.trainings()} == controlled | every
    assert set(both[0].trainings()) == set(both[1].trainings())


# Whose directory it is.


def halved(ticket, context):
    state = {n: a / 2 if n in ticket.masks else a for n, a in ticket.state.items()}
    return dataclasses.replace(ticket, state=state)


def another():
    def halved(ticket, context):
        return controls.reinit(ticket, context)

    return halved


def reinit(ticket, context):
    return halved(ticket, context)


@pytest.mark.parametrize(
    ("there", "here"), [(halved, another()), ("reinit", reinit), (reinit, "reinit")]
)
def test_another_function_of_a_controls_name_is_another_search(tmp_path, there, here):
    trained(tmp_path, dataclasses.replace(SMALL, controls=(there,)))
    before = arrays_of(tmp_path)
    name = controls.name_of_control(there)
    with pytest.raises(PlanMismatchError, match=f"{name!r} is another function there"):
        trained(tmp_path, dataclasses.replace(SMALL, controls=("shuffle", here)))
    assert arrays_of(tmp_path) == before


@pytest.mark.parametrize(
    ("there", "here"), [(halved, halved), ("reinit", controls.reinit)]
)
def test_the_same_function_goes_on(tmp_path, there, here):
    trained(tmp_path, dataclasses.replace(SMALL, controls=(there,)))
    assert trained(tmp_path, dataclasses.replace(SMALL, controls=(here,))) == []
    assert Store(tmp_path).history().plan.controls == (there,)


def test_overwriting_removes_all_replicates_and_controls(tmp_path):
    trained(tmp_path, SMALL)
    with Store(tmp_path).open(facts(Plan(seed=3)), overwrite=True):
        pass
    assert arrays_of(tmp_path) == {}


def test_a_directory_from_before_replicates_and_controls_is_read_and_goes_on(tmp_path):
    plan = Plan(rounds=2)
    trained(tmp_path, plan)
    expected = contents(tmp_path)
    file = tmp_path / "plan.json"
    found = json.loads(file.read_text())
    for name in ("controls", "control_rounds", "control_replicates", "replicates"):
        del found["plan"][name]
    file.write_text(json.dumps(found))
    for path in tmp_path.rglob("metrics.json"):  # and before keys
        record = json.loads(path.read_text())
        del record["key"]
        path.write_text(json.dumps(record))
    assert contents(tmp_path) == expected
    assert Store(tmp_path).history().plan == plan
    assert trained(tmp_path, plan) == []
    assert trained(tmp_path, SMALL)[:2] == [(0, 1, "reinit"), (0, 2, "reinit")]


# Damage.


@pytest.mark.parametrize("name", ["ticket.npz", "outcome.npz", "metrics.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_a_damaged_control_is_an_error_that_names_it(tmp_path, name, damage):
    trained(tmp_path, SMALL)
    path = tmp_path / "replicate_1/controls/reinit/round_02/draw_0" / name
    content = path.read_bytes()
    path.unlink()
    if (name, damage) == ("metrics.json", "missing"):
        assert trained(tmp_path, SMALL) == [(1, 2, "reinit")]  # it is not finished
        return
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    with pytest.raises(
        TicketError, match="replicate_1/controls/reinit/round_02/draw_0"
    ):
        contents(tmp_path)


def test_a_control_with_the_outcome_of_another_is_an_error_that_names_it(tmp_path):
    trained(tmp_path, dataclasses.replace(SMALL, controls=("shuffle",)))
    of = tmp_path / "replicate_0/controls/shuffle"
    (of / "round_02/draw_0/outcome.npz").replace(of / "round_01/draw_0/outcome.npz")
    with pytest.raises(TicketError, match=r"round_01/draw_0 .* other masks"):
        contents(tmp_path)
    with pytest.raises(TicketError, match=r"round_01/draw_0 .* other masks"):
        trained(tmp_path, dataclasses.replace(SMALL, controls=("shuffle",)))


# What a user sees of it.


def test_the_cost_and_the_lines_say_replicate_and_control(tmp_path, capsys):
    plan = dataclasses.replace(SMALL, replicates=3)
    progress = Progress(2, plan, 100)
    progress.begin(4, "runs/lenet")
    found = search(tmp_path, FakeTrainer(plan))
    for _ in progress.lines(found, "val_accuracy"):
        pass
    said = capsys.readouterr().out.splitlines()
    for part in ("15 trainings", "3 x (3 rounds and 2 controls)", "4 done already"):
        assert part in said[0]
    assert len(said) == 16
    assert "replicate 2 of 3" in said[-1]
    assert "reinit  2/2" in said[-1]


def test_a_finished_control_is_not_made_again(tmp_path):
    made = []

    def counted(ticket, context):
        made.append(ticket.round)
        return controls.reinit(ticket, context)

    plan = dataclasses.replace(SMALL, controls=(counted,), control_rounds=None)
    first = list(search(tmp_path, FakeTrainer(plan)))
    again = list(search(tmp_path, FakeTrainer(plan)))
    assert made == [1, 2] * plan.replicates
    assert [r.ticket.masks for r in again] == [r.ticket.masks for r in first]


def test_a_replicate_that_was_removed_keeps_its_place(tmp_path):
    plan = dataclasses.replace(SMALL, replicates=3)
    list(search(tmp_path, FakeTrainer(plan)))
    shutil.rmtree(tmp_path / "replicate_1" / "round_00")
    history = Store(tmp_path).history()
    assert [len(rounds) for rounds in history.replicates] == [3, 0, 3]
    assert {r.replicate for r in history.replicates[2]} == {2}
    assert {r.replicate for r in history.controls} == {0, 2}
    assert history.verdict().rounds[1].replicates == 2


def test_the_plan_of_a_replicate_is_one_search_of_its_seed():
    own = dataclasses.replace(SMALL, replicates=5).of_replicate(3)
    assert own.replicates == 1
    assert own.seed != SMALL.seed


def test_a_search_that_was_asked_for_less_has_nothing_left(tmp_path):
    thrice = dataclasses.replace(
        SMALL, control_replicates=3, control_rounds={"reinit": (2,)}
    )
    list(search(tmp_path, FakeTrainer(thrice)))
    once = dataclasses.replace(
        SMALL,
        controls=("reinit", "shuffle"),
        control_rounds={"reinit": (2,), "shuffle": (1,)},
    )
    list(search(tmp_path, FakeTrainer(once)))
    history = Store(tmp_path).history()
    assert unfinished(history) == ""
    assert Store(tmp_path).left(history.plan) == 0
    draws = [r.draw for r in history.controls if r.control == "reinit"]
    assert draws == [0, 1, 2] * SMALL.replicates
