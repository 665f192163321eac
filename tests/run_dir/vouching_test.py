"""Every file of a search says what it is: no exchange and no edit goes unseen."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes import FakeTrainer
from tests.run_dir.contents import contents
from tests.run_dir.forging import edited, edited_plan
from tests.run_dir.refusing import fails, resumed
from tests.search.searching import PLAN, SMALL, search
from tf_lottery.core.errors import TicketError
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.names import METRICS, OUTCOME, TICKET
from tf_lottery.run_dir.run_dir import RunDir, load_history
from tf_lottery.run_dir.verify import verify
from tf_lottery.search.find import chosen

pytestmark = pytest.mark.filterwarnings("ignore:The control 'shuffle' of round")

ROUND = "replicate_0/round_01"
LAST = "replicate_0/round_02"
OTHER = "replicate_1/round_01"
REINIT = "replicate_0/controls/reinit/round_01/draw_0"
SECOND = "replicate_0/controls/reinit/round_01/draw_1"
SHUFFLE = "replicate_0/controls/shuffle/round_02/draw_0"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, whole):
    path = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(whole[1], path)
    chosen(RunDir(path).history()).save(path / TICKET)
    return path


@pytest.fixture
def run(tmp_path, finished):
    return shutil.copytree(finished, tmp_path / "run")


def swap(one, other):
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


@pytest.mark.parametrize("name", [METRICS, OUTCOME, TICKET])
@pytest.mark.parametrize(
    "pair",
    [(ROUND, REINIT), (ROUND, OTHER), (ROUND, LAST), (REINIT, SECOND)],
    ids=["control", "replicate", "round", "draw"],
)
def test_files_that_changed_places_are_found(run, name, pair):
    one, other = (run / each for each in pair)
    swap(one / name, other / name)
    fails(run, rf"{one.name}|{other.name}")


@pytest.mark.parametrize(
    "pair",
    [(ROUND, OTHER), (ROUND, LAST), (REINIT, SECOND), (ROUND, REINIT)],
    ids=["replicate", "round", "draw", "control"],
)
def test_directories_that_changed_places_are_found(run, pair):
    swap(*(run / each for each in pair))
    fails(run, "must be the file of replicate")


def test_whole_controls_that_changed_places_are_found(run):
    edited_plan(run, control_rounds=None)
    path = run / "replicate_0" / "controls"
    swap(path / "reinit", path / "shuffle")
    with pytest.raises(TicketError, match=r"file of replicate 0, round .*shuffle"):
        load_history(run)


def test_a_round_of_another_search_of_the_plan_is_found(run, tmp_path):
    other = FakeTrainer(PLAN, draw_as=lambda path, array: array + 1)
    search(tmp_path / "other", other)
    shutil.rmtree(run / ROUND)
    shutil.copytree(tmp_path / "other" / ROUND, run / ROUND)
    with pytest.raises(TicketError, match=r"round_01.* was made from another file"):
        load_history(run)


def test_one_digit_of_a_metric_is_found(run):
    path = run / ROUND / METRICS
    text = path.read_text()
    assert "0.9" in text
    path.write_text(text.replace("0.9", "0.8", 1))
    fails(run, r"round_01/metrics\.json was changed after the search wrote it")


def test_a_metric_with_a_digest_of_its_own_is_found(run):
    def better(metrics):
        metrics["outcome"]["metrics"]["val_accuracy"] = 0.99

    edited(run / ROUND / METRICS, better)
    fails(run, r"round_01/metrics\.json and .* different trainings")


@pytest.mark.parametrize(
    ("field", "value"),
    [("pruning_rate", 0.3), ("tolerance", 0.1), ("rounds", 3), ("seed", 1)],
)
def test_an_edited_plan_is_found(run, field, value):
    path = run / "plan.json"
    manifest = json.loads(path.read_text())
    manifest["plan"][field] = value
    path.write_text(json.dumps(manifest))
    fails(run, r"plan\.json was changed after the search wrote it")


def test_a_key_more_in_a_plan_is_found(run):
    path = run / "plan.json"
    manifest = json.loads(path.read_text()) | {"mine": 1}
    path.write_text(json.dumps(manifest))
    fails(run, r"plan\.json was changed")


def test_another_layout_of_the_same_json_is_no_change(run):
    for path in run.rglob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    assert load_history(run).trainings()
    resumed(run)


# The ticket that was returned.


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"won": True, "reason": "It won."}, "must hold what the search found"),
        ({"rows": ({"replicate": 0, "round": 0, "val_accuracy": 1},)}, "other figures"),
        ({"step": 3}, "another first step, 3,"),
        ({"architecture": {"model": "other"}}, "another model"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_returned_ticket_that_says_something_else_is_found(run, change, said):
    import dataclasses

    ticket = chosen(RunDir(run).history())
    dataclasses.replace(ticket, **change).save(run / TICKET, overwrite=True)
    with pytest.raises(TicketError, match=said):
        list(verify(run))


@pytest.mark.parametrize("kind", ["weights", "best_weights"])
def test_a_returned_ticket_with_weights_of_another_training_is_found(run, kind):
    import dataclasses

    history = RunDir(run).history()
    ticket = chosen(history)
    arrays = {n: a * 2 for n, a in getattr(ticket.outcome, kind).items()}
    outcome = dataclasses.replace(ticket.outcome, **{kind: arrays})
    dataclasses.replace(ticket, outcome=outcome).save(run / TICKET, overwrite=True)
    with pytest.raises(TicketError, match=f"other {kind.replace('_', ' ')}"):
        list(verify(run))


def test_a_returned_ticket_of_before_a_longer_call_still_verifies(tmp_path):
    search(tmp_path, FakeTrainer(SMALL))
    chosen(RunDir(tmp_path).history()).save(tmp_path / TICKET)
    import dataclasses

    more = dataclasses.replace(SMALL, rounds=3, tolerance=0.2)
    search(tmp_path, FakeTrainer(more, die_in=(1, 3, None)))
    assert "as in the search" in list(verify(tmp_path))[-1]


# Files that are gone.


def test_lost_initial_weights_are_not_replaced(run):
    (run / "replicate_0/round_00" / TICKET).unlink()
    fails(run, r"round_00/ticket.safetensors is missing")
    with pytest.raises(TicketError, match="no other initial weights"):
        search(run, FakeTrainer(PLAN, die_in=0))
    assert not (run / "replicate_0/round_00" / TICKET).exists()


@pytest.mark.parametrize("training", [ROUND, LAST, REINIT, SHUFFLE])
def test_a_ticket_that_is_missing_is_said_and_written_again(run, whole, training):
    path = run / training / TICKET
    content = path.read_bytes()
    path.unlink()
    for act in (load_history, lambda path: list(verify(path))):
        with pytest.raises(TicketError, match=rf"{TICKET} is missing\.$"):
            act(run)
    again = FakeTrainer(PLAN)
    search(run, again)
    assert again.trained == []
    assert path.read_bytes() == content
    assert contents(run) == contents(whole[1])


def test_an_outcome_that_is_missing_is_said(run):
    (run / ROUND / OUTCOME).unlink()
    fails(run, rf"round_01/{OUTCOME} is missing")


# Numbers and types.

HUGE = [
    {"replicates": 10**6},
    {"control_replicates": 10**6},
    {"rounds": 10**8},
    {"rounds": 10**18, "replicates": 10**18, "control_replicates": 10**18},
]


@pytest.mark.parametrize("numbers", HUGE, ids=str)
def test_counts_of_a_plan_are_bounded_by_what_is_on_disk(run, numbers):
    from tf_lottery.report.table import table, unfinished

    edited_plan(run, **numbers)
    (run / TICKET).unlink()
    started = time.process_time()
    history = load_history(run)
    assert len(history.trainings()) == 14
    assert table(history)
    assert unfinished(history).startswith("14 of ")
    assert list(verify(run))
    assert RunDir(run).left(history.plan) == history.plan.count() - 14
    assert time.process_time() - started < 2


def test_a_round_of_any_number_is_counted_at_once():
    plan, shapes = Plan(pruning_rate=0.5), {"k": (1000, 1000)}
    started = time.process_time()
    assert plan.kept_at(10**9, shapes) == plan.kept_at(100, shapes)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("rounds", value) for value in (None, "x", 1.5, True, 10**40)),
        *(("seed", []), ("layer_rates", {"a": "b"}), ("controls", [3]), ("mode", {})),
    ],
)
def test_a_wrong_type_in_a_plan_names_the_file_and_the_field(run, field, value):
    edited_plan(run, **{field: value})
    fails(run, rf"plan\.json is damaged.*{field}")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("outcome", "best_step"), "7"),
        (("outcome", "seconds"), None),
        (("outcome", "metrics"), [0.5]),
        (("outcome", "metrics", "val_accuracy"), "0.9"),
        (("outcome", "curves", "val_loss"), [0.1]),
        (("outcome", "curves", "val_loss"), ["a", "b"]),
        (("of", "round"), True),
        (("key",), 3),
    ],
)
def test_a_wrong_type_in_metrics_names_the_file_and_the_field(run, path, value):
    def change(metrics):
        for key in path[:-1]:
            metrics = metrics[key]
        metrics[path[-1]] = value

    edited(run / ROUND / METRICS, change)
    fails(run, rf"round_01/metrics\.json is damaged.*{path[-2] if path[1:] else ''}")


@pytest.mark.parametrize("text", ["[" * 10**5, "NaN", '{"a": 1e999}', "9" * 5000])
def test_json_that_no_parser_takes_is_one_line(run, text):
    (run / ROUND / METRICS).write_text(text)
    fails(run, r"round_01/metrics\.json is damaged")


# Code.


def test_a_criterion_that_a_file_names_is_not_run_unless_it_is_allowed(tmp_path):
    """The user's own function is at hand where they search; in a file it is a name."""
    (tmp_path / "mine.py").write_text(
        "import pathlib\n"
        "pathlib.Path(__file__).with_name('ran').touch()\n"
        "from tf_lottery.core.criteria import magnitude\n"
        "def scores(ticket, outcome): return magnitude(ticket, outcome)\n"
    )
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import pathlib
from tests.fakes import FakeTrainer
from tests.search.searching import search
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.run_dir import load_history
from tf_lottery.run_dir.verify import verify
from tf_lottery.verdict.judge import judge
import mine
search({str(tmp_path / "run")!r}, FakeTrainer(Plan(rounds=2, criterion=mine.scores)))
del sys.modules["mine"]
pathlib.Path({str(tmp_path / "ran")!r}).unlink()
run = {str(tmp_path / "run")!r}
judge(load_history(run))
print(*verify(run), sep="\\n")
assert "mine" not in sys.modules
print(*verify(run, run_code=True), sep="\\n")
assert "mine" in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "'mine:scores' is the user's code" in lines[1]
    assert "derived again and equal" in lines[4]


# What is removed.


def test_overwriting_removes_only_what_the_search_wrote(run, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "round_00").mkdir(parents=True)
    mine = [
        run / "replicate_mine" / "round_00" / METRICS,
        run / "replicate_0" / "notes.txt",
        run / "replicate_0" / "round_00" / "figure.png",
        run / "replicate_1" / "controls" / "mine" / "notes.txt",
        elsewhere / "round_00" / METRICS,
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("precious")
    (run / "replicate_7").symlink_to(elsewhere)
    (run / "replicate_0" / "round_05").symlink_to(elsewhere / "round_00")
    (run / "tensorboard").symlink_to(elsewhere)
    with RunDir(run).open(_facts(Plan(seed=9)), overwrite=True):
        pass
    assert [path.read_text() for path in mine] == ["precious"] * len(mine)
    assert not list(run.rglob(OUTCOME))
    assert not (run / "tensorboard").is_symlink()
    assert not (run / "replicate_7").is_symlink()
    assert search(run, FakeTrainer(Plan(seed=9, rounds=1)))


def test_unfinished_files_of_another_search_below_are_left(run):
    other = run / "other" / "replicate_0" / "round_00" / ".tf_lottery_1"
    own = run / ROUND / ".tf_lottery_1"
    for path in (other, own):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    resumed(run)
    assert other.exists()
    assert not own.exists()


def _facts(plan):
    from tests.fakes import manifest

    return manifest(plan)
