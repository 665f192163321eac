"""`tf_lottery export`, and `find --export`, on a small recipe."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models import keras
from tests.run_dir.forging import edited
from tf_lottery import Ticket
from tf_lottery.cli import main as cli
from tf_lottery.export.tensorflow.flatbuffer import TFLiteFile
from tf_lottery.run_dir.run_dir import RunDir

RECIPE = """
from tests.models import arrays, compiled, tiny
from tf_lottery import Data, Plan

PLAN = Plan(rounds=2, epochs=2, batch_size=16)


def model():
    return compiled(tiny())


def dataset(seed):
    return Data(arrays(), arrays(32, 1), arrays(48, 2))
"""

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches")


def run(*arguments):
    return cli.main(cli.parse(["tf_lottery", *map(str, arguments)]))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A run directory of `find --export=tflite`, with its recipe beside it."""
    path = tmp_path_factory.mktemp("cli")
    (path / "recipe.py").write_text(RECIPE)
    run_dir = path / "run"
    run("find", path / "recipe.py", f"--run_dir={run_dir}", "--export=tflite")
    return run_dir


@pytest.fixture
def run_dir(found, tmp_path):
    return shutil.copytree(found, tmp_path / "run")


def card(path):
    return json.loads(path.with_name(f"{path.name}.card.json").read_text())


def test_find_exports_the_ticket_that_it_found(found):
    assert TFLiteFile((found / "ticket.tflite").read_bytes()).tensors
    written = card(found / "ticket.tflite")
    assert written["check"]["sample"] == "48 examples of test data"
    assert written["round"] == Ticket.load(found / "ticket.safetensors").round


def test_a_model_card_is_written_on_request_and_kept(run_dir, capsys):
    command = ("export", run_dir, "--format=keras", "--latency_runs=0")
    run(*command)
    page = run_dir / "ticket.keras.README.md"
    assert not page.exists()
    run(*command, "--model-card", "--overwrite")
    assert f"{page} is a model card" in capsys.readouterr().out
    assert page.read_text().startswith("---\n")
    (run_dir / "ticket.keras").unlink()
    for suffix in ("md", "json"):
        (run_dir / f"ticket.keras.card.{suffix}").unlink()
    page.write_text("mine")
    with pytest.raises(SystemExit, match="an author may have completed it"):
        run(*command, "--model_card")
    assert page.read_text() == "mine"
    assert not (run_dir / "ticket.keras").exists()


@pytest.mark.slow
def test_find_leaves_a_file_of_the_same_ticket_as_it_is(run_dir, found, capsys):
    recipe = f"--recipe={found.parent / 'recipe.py'}"
    run("export", run_dir, "--format=tflite", "--quantize=int8", "--overwrite", recipe)
    before = (run_dir / "ticket.tflite").read_bytes()
    run("find", found.parent / "recipe.py", f"--run_dir={run_dir}", "--export=tflite")
    assert (run_dir / "ticket.tflite").read_bytes() == before
    assert "this ticket and is kept" in capsys.readouterr().out


@pytest.mark.slow
def test_find_replaces_a_file_that_is_not_its_tickets(run_dir, found):
    (run_dir / "ticket.tflite").write_bytes(b"old")
    recipe = found.parent / "recipe.py"
    run("find", recipe, f"--run_dir={run_dir}", "--export=tflite", "--verbose=0")
    assert TFLiteFile((run_dir / "ticket.tflite").read_bytes()).tensors


@pytest.mark.slow
def test_a_new_search_removes_the_exports_of_the_old(run_dir, found):
    run("export", run_dir, "--latency_runs=0", "--verbose=0")
    assert (run_dir / "ticket_saved_model").is_dir()
    recipe = found.parent / "recipe.py"
    run("find", recipe, f"--run_dir={run_dir}", "--overwrite", "--verbose=0")
    assert not list(run_dir.glob("ticket.tflite*"))
    assert not list(run_dir.glob("ticket_saved_model*"))


def test_what_a_killed_export_leaves_does_not_stop_a_search(run_dir, found):
    left = run_dir / ".tf_lottery_killed" / "new"
    left.mkdir(parents=True)
    run("find", found.parent / "recipe.py", f"--run_dir={run_dir}", "--verbose=0")
    assert not left.parent.exists()


def test_the_ending_of_the_output_says_the_format(run_dir, tmp_path):
    output = tmp_path / "a.keras"
    run("export", run_dir, f"--output={output}", "--latency_runs=0", "--verbose=0")
    assert keras.models.load_model(output, compile=False)
    with pytest.raises(SystemExit, match="must be of that format"):
        run("export", run_dir, f"--output={tmp_path}/a.tflite", "--format=saved_model")
    with pytest.raises(SystemExit, match=r"as a \.keras, \.tflite or \.onnx file"):
        run("export", run_dir, f"--output={tmp_path}/a.h5")
    with pytest.raises(SystemExit, match="must be of a Keras 3 model"):
        run("export", run_dir, f"--output={tmp_path}/a.onnx")


def test_a_run_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SystemExit, match="must be a run directory or a ticket file"):
        run("export", tmp_path / "nowhere")


def test_the_plan_says_where_the_data_are(found):
    assert RunDir(found).manifest()["recipe"] == str(found.parent / "recipe.py")


@pytest.mark.slow
def test_a_run_directory_is_exported_on_the_data_of_a_recipe(run_dir, found, capsys):
    recipe = f"--recipe={found.parent / 'recipe.py'}"
    run("export", run_dir, "--format=tflite", "--quantize=int8", "--overwrite", recipe)
    assert card(run_dir / "ticket.tflite")["format"]["quantize"] == "int8"
    printed = capsys.readouterr().out
    assert "accuracy, dense" in printed
    assert "48 examples of test data" in printed


def test_an_export_runs_no_code_that_a_run_directory_names(run_dir, tmp_path, capsys):
    evil = tmp_path / "evil.py"
    evil.write_text("raise SystemExit('it ran')")
    edited(run_dir / "plan.json", lambda facts: facts.update(recipe=str(evil)))
    run("export", run_dir, "--latency_runs=0", "--verbose=0")
    printed = capsys.readouterr().out
    assert f"The search used the recipe {str(evil)!r}" in printed
    assert "`--recipe`" in printed
    written = card(run_dir / "ticket_saved_model")
    assert written["check"]["sample"] == "1,000 examples of random inputs"


def test_another_round_and_other_weights_can_be_exported(run_dir, tmp_path):
    output = tmp_path / "dense.keras"
    run(
        *("export", run_dir, "--format=keras", "--round=0", "--weights=final"),
        *(f"--output={output}", "--latency_runs=0", "--verbose=0"),
    )
    written = card(output)
    assert (written["round"], written["weights"]) == (0, "final")
    model = keras.models.load_model(output, compile=False)
    final = RunDir(run_dir).history()[0].outcome.weights["hidden/kernel"]
    assert (model.get_layer("hidden").kernel.numpy() == final).all()


def test_a_ticket_file_is_exported_without_data(run_dir):
    run("export", run_dir / "ticket.safetensors", "--layout=dense", "--latency_runs=0")
    written = card(run_dir / "ticket_saved_model")
    assert written["check"]["sample"] == "1,000 examples of random inputs"
    assert written["check"]["accuracy"] == {}


def test_a_recipe_gives_a_ticket_file_its_data(run_dir, found):
    recipe = f"--recipe={found.parent / 'recipe.py'}"
    run(
        "export",
        run_dir / "ticket.safetensors",
        recipe,
        "--latency_runs=0",
        "--verbose=0",
    )
    written = card(run_dir / "ticket_saved_model")
    assert set(written["check"]["accuracy"]) == {"ticket", "file"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format=tflite"], "exists. Pass `overwrite=True` "),
        (["--quantize=int8"], "given options of its format"),
        (["--round=7"], "0 to 2"),
        (
            ["--recipe=nowhere.py"],
            "A recipe must be a Python file",
        ),
        (["--format=tflite", "--sparse=yes", "--overwrite"], "`sparse` must be one of"),
        (["--format=tflite", "--io=int8", "--overwrite"], '`quantize` must be "int8"'),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(run_dir, arguments, message):
    before = {path: path.read_bytes() for path in run_dir.glob("ticket*")}
    with pytest.raises(SystemExit, match=message) as stopped:
        run("export", run_dir, *arguments)
    assert "\n" not in str(stopped.value)
    assert {path: path.read_bytes() for path in run_dir.glob("ticket*")} == before


def test_a_round_of_a_ticket_file_is_a_mistake(run_dir):
    with pytest.raises(SystemExit, match="needs a run directory"):
        run("export", run_dir / "ticket.safetensors", "--round=1")


OWN = """
from tests.models import CLASSES, FEATURES, arrays, compiled, keras
from tf_lottery import Data, Plan

PLAN = Plan(rounds=1, epochs=1, batch_size=16)


class Doubled(keras.layers.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


def model():
    hidden, logits = Doubled(5, name="hidden"), keras.layers.Dense(CLASSES)
    return compiled(keras.Sequential([keras.Input((FEATURES,)), hidden, logits]))


def dataset(seed):
    return Data(arrays(), arrays(32, 1))
"""


@pytest.mark.slow
def test_classes_of_ones_own_come_from_the_recipe_wherever_they_were(tmp_path):
    """A ticket of a script names `__main__`, where the command has no such class."""
    (tmp_path / "script.py").write_text(
        f"{OWN}\nimport tf_lottery\ndata = dataset(0)\n"
        "tf_lottery.find_ticket(model(), data.train, 1, "
        f"validation_data=data.validation, run_dir={str(tmp_path / 'run')!r})\n"
    )
    (tmp_path / "mine.py").write_text(OWN)
    python = [sys.executable, tmp_path / "script.py"]
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run(python, check=True, capture_output=True, cwd=root, env=env)
    output = [f"--output={tmp_path / 'a.keras'}", "--latency_runs=0", "--verbose=0"]
    with pytest.raises(SystemExit, match=r"Doubled.*`--recipe`"):
        run("export", tmp_path / "run", *output)
    run("export", tmp_path / "run", *output, f"--recipe={tmp_path / 'mine.py'}")
    assert (tmp_path / "a.keras").exists()


HALVED = """
from tests.export.given_model_test import halved
from tests.models import arrays
from tf_lottery import Plan

PLAN = Plan(rounds=1, epochs=1, batch_size=16)


def model():
    return halved()


def dataset(seed):
    return arrays()
"""


@pytest.mark.slow
def test_the_model_of_a_recipe_is_used_where_the_ticket_is_not_enough(tmp_path):
    (tmp_path / "own.py").write_text(HALVED)
    run("find", tmp_path / "own.py", f"--run_dir={tmp_path / 'run'}", "--verbose=0")
    with pytest.raises(SystemExit, match="--recipe"):
        run("export", tmp_path / "run")
    run("export", tmp_path / "run", f"--recipe={tmp_path / 'own.py'}")
    assert (
        card(tmp_path / "run" / "ticket_saved_model")["check"]["max_difference"] < 1e-5
    )
