"""Folders of runs, the template of a recipe, and flags by either spelling."""

import runpy
import shutil

import pytest

from tests.fakes import FakeTrainer, manifest
from tf_lottery.cli import main as cli
from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.progress import Progress
from tf_lottery.search.replicates import run_replicates


def run(*arguments):
    return cli.main(cli.parse(["tf_lottery", *map(str, arguments)]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs, one of them as deep as the search of a sweep's trial."""
    path = tmp_path_factory.mktemp("runs")
    plan = Plan(rounds=1)
    for name in ("one", "sweep/trial_0/search"):
        directory = RunDir(path / name)
        with directory.open(manifest(plan), overwrite=False):
            progress = Progress(0, plan, 100)
            list(run_replicates(FakeTrainer(plan), directory, progress, manifest(plan)))
    return path


def test_show_lists_the_runs_of_a_folder(folder, capsys):
    of_sweep = "trial_0/search"
    for path, names in (
        (folder, ["one", f"sweep/{of_sweep}"]),
        (folder / "sweep", [of_sweep]),
    ):
        run("show", path)
        lines = capsys.readouterr().out.splitlines()
        assert [line.split(": ")[0] for line in lines] == [f"{path / n}" for n in names]
        assert all("2 of 2 rounds. Ticket round 1: " in line for line in lines)


def test_verify_and_report_take_all_runs_of_a_sweep(folder, capsys):
    path = folder / "sweep"
    run("verify", path)
    assert f"{path / 'trial_0/search'}: everything holds." in capsys.readouterr().out
    run("report", path)
    assert (path / "trial_0/search/summary.csv").exists()


@pytest.mark.parametrize("command", ["report", "verify"])
def test_a_run_without_a_finished_round_does_not_stop_the_others(
    folder, tmp_path, capsys, command
):
    path = shutil.copytree(folder, tmp_path / "runs")
    begun = path / "one" / "replicate_0"
    for each in begun.glob("round_*/metrics.json"):
        each.unlink()
    run(command, path)
    said = capsys.readouterr().out
    assert f"{path / 'one'}: no finished round of 2" in said
    assert f"{path / 'sweep/trial_0/search'}" in said


@pytest.mark.parametrize(
    "command, said",
    [("verify", "everything holds."), ("show", "2 of 2 rounds"), ("report", "report")],
)
def test_every_run_is_looked_at_also_after_a_damaged_one(
    folder, tmp_path, capsys, command, said
):
    path = shutil.copytree(folder, tmp_path / "runs")
    ticket = path / "one" / "replicate_0" / "round_01" / "ticket.safetensors"
    ticket.write_bytes(ticket.read_bytes()[:-1])
    with pytest.raises(SystemExit, match="1 of 2 run directories are damaged"):
        run(command, path)
    damaged, other = capsys.readouterr().out.split("\n", 1)
    assert f"{path / 'one'}: " in damaged
    assert str(path / "sweep/trial_0/search") in other
    assert said in other


def test_a_sweep_two_folders_below_is_found(folder, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "all" / "runs")
    run("show", tmp_path / "all")
    assert "runs/sweep/trial_0/search: 2 of 2 rounds" in capsys.readouterr().out


def test_a_flag_before_the_command_is_sent_behind_it(capsys):
    with pytest.raises(SystemExit):
        run("--debug", "show", "x")
    assert "Put flags after the command." in capsys.readouterr().err


def test_export_asks_for_one_of_several(folder, tmp_path, monkeypatch, capsys):
    other = tmp_path / "runs"
    other.mkdir()
    for name in ("one", "two"):
        (other / name).symlink_to(folder / "one")
    with pytest.raises(SystemExit) as end:
        run("export", other)
    assert "needs one run directory" in str(end.value)
    assert f"holds 2: {other / 'one'}, {other / 'two'}" in str(end.value)


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(SystemExit) as end:
        run("show", tmp_path)
    assert "must be a run directory, or a folder that holds some" in str(end.value)


def test_a_flag_has_one_name_with_dashes_or_underscores():
    for typed in ("--run-dir=a-b", "--run_dir=a-b"):
        assert cli.parse(["tf_lottery", "find", "r.py", typed]).run_dir == "a-b"


def test_init_writes_a_recipe_that_is_one_and_replaces_nothing(tmp_path, capsys):
    path = tmp_path / "mine.py"
    run("init", path)
    assert f"tf_lottery find {path}" in capsys.readouterr().out
    text = path.read_text()
    lines = text.splitlines()
    assert [line for line in lines if "import" in line and "tf_lottery" in line] == [
        "from tf_lottery import Data, Plan"
    ]
    with pytest.raises(SystemExit, match="is there already"):
        run("init", path)
    assert path.read_text() == text
    with pytest.raises(SystemExit, match="is a Python file"):
        run("init", tmp_path / "mine")
    recipe = runpy.run_path(str(path))
    model, data = recipe["model"](), recipe["dataset"](0)
    x, y = data.train
    assert model.predict(x[:4], verbose=0).shape == (4, 2)
    assert 0.3 < y.mean() < 0.7


def test_init_prints_a_call_that_can_be_typed_for_a_name_with_a_space(tmp_path, capsys):
    path = tmp_path / "my recipe.py"
    run("init", path)
    assert f"Next: tf_lottery find '{path}'" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_recipe_of_init_trains(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("init", "mine.py")
    run("find", "mine.py", "--rounds=1", "--steps=60", "--run-dir=found")
    assert (tmp_path / "found" / "ticket.safetensors").exists()
