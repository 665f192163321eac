import dataclasses
import errno
import hashlib
import inspect
import os
import shutil
import signal
import subprocess
import sys
import types

import numpy as np
import pytest

from tests.fakes import SHAPES, FakeTrainer
from tf_lottery import FoundTicket, Plan, Ticket
from tf_lottery.cli import flags
from tf_lottery.cli import main as cli
from tf_lottery.core import archive
from tf_lottery.core.errors import InvariantError
from tf_lottery.run_dir.manifest import manifest_of
from tf_lottery.run_dir.names import EXPORTS, Place
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.rounds import run_rounds

FRAMEWORKS = {"tensorflow", "tf_keras", "keras", "keras_tuner"}


def run(*arguments):
    return cli.main(cli.parse(["tf_lottery", *map(str, arguments)]))


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A finished search by the fake trainer."""
    plan, path = Plan(rounds=3), tmp_path_factory.mktemp("run")
    directory, trainer = RunDir(path), FakeTrainer(plan)
    manifest = manifest_of(plan, {}, "spec", monitor="val_accuracy", maximize=True)
    with directory.open(manifest, overwrite=False):
        for round in run_rounds(trainer, plan):
            replicate, place = directory.replicate_dir(), Place(round.number)
            replicate.save_ticket(round.ticket, place)
            outcome = replicate.save_outcome(round.ticket, round.outcome, place)
        ticket = FoundTicket.of(round.ticket, outcome)
        ticket.save(path / "ticket.safetensors")
    return path


def test_help_answers_within_a_second_without_a_framework():
    code = "import sys, time; from tf_lottery.cli.main import parse\n"
    code += "try: parse(['tf_lottery', '--help'])\n"
    code += f"finally: print({FRAMEWORKS} & {{*sys.modules}}, "
    code += "time.process_time(), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert b"verify" in done.stdout
    imported, seconds = done.stderr.split()[-2:]
    assert imported == b"set()"
    assert float(seconds) < 1  # of the processor, which others may use, too


def test_the_help_names_every_format_of_an_export(capsys):
    with pytest.raises(SystemExit):
        cli.parse(["tf_lottery", "--help"])
    said = capsys.readouterr().out.lower()
    assert [name for name in EXPORTS if name.replace("_", "") not in said] == []


def test_show_report_and_verify_do_without_a_framework(run_dir):
    code = f"""
import sys
from tf_lottery.cli.main import main, parse
for command in ("show", "report", "verify"):
    main(parse(["tf_lottery", command, {str(run_dir)!r}]))
main(parse(["tf_lottery", "show", {str(run_dir / "ticket.safetensors")!r}]))
assert not {FRAMEWORKS} & {{*sys.modules}}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "everything holds" in done.stdout
    assert (run_dir / "accuracy.png").exists()


def test_verify_says_what_is_not_finished(run_dir, tmp_path, capsys):
    path = shutil.copytree(run_dir, tmp_path / "run")
    run("verify", path)
    assert "finished" not in capsys.readouterr().out
    shutil.rmtree(max((path / "replicate_0").glob("round_*")))
    (path / "ticket.safetensors").unlink()
    run("verify", path)
    assert "rounds are finished." in capsys.readouterr().out


def test_show_prints_a_ticket_by_layer(run_dir, capsys):
    run("show", run_dir / "ticket.safetensors")
    printed = capsys.readouterr().out
    assert all(path in printed for path in SHAPES)


def test_verify_finds_masks_that_do_not_follow_from_the_weights(tmp_path, run_dir):
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(run_dir, copy)
    directory = RunDir(copy)
    history = directory.history()
    last = history[3]
    moved = {path: np.roll(mask, 1) for path, mask in last.ticket.masks.items()}
    forged = dataclasses.replace(
        last.ticket, masks=type(last.ticket.masks)(moved), state=last.ticket.state
    )
    zeros = {p: np.zeros_like(last.outcome.weights[p]) for p in last.outcome.weights}
    outcome = dataclasses.replace(last.outcome, weights=zeros, best_weights=zeros)
    directory.replicate_dir().save_ticket(forged, Place(3))
    directory.replicate_dir().save_outcome(forged, outcome, Place(3))
    with pytest.raises(SystemExit, match="round 3 do not follow"):
        run("verify", copy)


def test_verify_finds_a_flipped_bit(tmp_path, run_dir):
    content = bytearray((run_dir / "ticket.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "ticket.safetensors").write_bytes(content)
    with pytest.raises(SystemExit, match="damaged"):
        run("verify", tmp_path / "ticket.safetensors")


@pytest.mark.parametrize("command", ["show", "report", "verify"])
def test_a_path_that_is_no_search_is_one_line(command, tmp_path):
    with pytest.raises(SystemExit, match="must be a run directory") as stopped:
        run(command, tmp_path)
    assert "\n" not in str(stopped.value)


def test_a_bug_of_ours_shows_its_traceback(tmp_path, monkeypatch):
    from tf_lottery.cli import commands

    def broken(arguments):
        raise InvariantError("A removed weight came back in round 1.")

    monkeypatch.setattr(commands, "show", broken)
    with pytest.raises(InvariantError, match="came back"):
        run("show", tmp_path)


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(ValueError, match="must be a run directory"):
        run("show", tmp_path, "--debug")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "PLAN"),
        ("import tf_lottery\nPLAN = tf_lottery.Plan()\nmodel = 3", "model .a func"),
        ("PLAN = 3\nmodel = dataset = print", "a PLAN that is a tf_lottery.Plan"),
        ("import tf_lottery\ntf_lottery.Plan(roundz=3)", "recipe.py failed with Type"),
    ],
)
def test_a_file_that_is_no_recipe_is_one_line(tmp_path, text, message):
    from tf_lottery.cli.recipes import load_recipe

    recipe = tmp_path / "recipe.py"
    recipe.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_recipe(str(recipe))


LITTLE = """
import numpy as np
from tf_lottery import Data, Plan
from tf_lottery.bindings.tf_keras._imports import keras

PLAN = Plan(rounds=1, steps=6, batch_size=8)

def model(plan):
    rate = keras.optimizers.schedules.PolynomialDecay(0.1, plan.steps)
    hidden = keras.layers.Dense(4, "relu", input_shape=(3,), name="hidden")
    logits = keras.layers.Dense(2, dtype="float32", name="logits")
    made = keras.Sequential([hidden, logits])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
    return made

def dataset(seed):
    x = np.random.default_rng(seed).normal(size=(48, 3)).astype("float32")
    y = (x.sum(1) > 0).astype("int32")
    return Data((x, y), (x[:16], y[:16]))
"""


@pytest.mark.slow
def test_a_recipes_model_may_take_the_plan_and_is_made_under_the_dtype_policy(
    tmp_path, capsys
):
    recipe, run_dir = tmp_path / "little.py", tmp_path / "run"
    recipe.write_text(LITTLE)
    arguments = [recipe, f"--run_dir={run_dir}", "--steps=4"]
    run("find", *arguments, "--dtype_policy=mixed_bfloat16")
    ticket = RunDir(run_dir).history()[1].ticket
    config = ticket.architecture["config"]["layers"][1]["config"]
    assert config["dtype"]["config"]["name"] == "mixed_bfloat16"
    optimizer = ticket.architecture["compile_config"]["optimizer"]["config"]
    assert optimizer["learning_rate"]["config"]["decay_steps"] == 4
    assert all(array.dtype == np.float32 for array in ticket.weights.values())
    page = (run_dir / "report.html").read_text()
    assert "--dtype_policy mixed_bfloat16" in page
    with pytest.raises(SystemExit, match="holds another search"):
        run("find", *arguments)


def test_a_recipe_can_be_tried_out_on_few_batches(tmp_path):
    recipe, run_dir = tmp_path / "little.py", tmp_path / "run"
    recipe.write_text(LITTLE)
    arguments = [recipe, f"--run_dir={run_dir}", "--limit_batches=1", "--steps=4"]
    run("find", *arguments, "--batch_size=5")
    data = RunDir(run_dir).manifest()["data"]
    assert [part["batches"] for part in data.values()] == [1, 1]
    whole = np.random.default_rng(0).normal(size=(48, 3)).astype("float32")
    batch = hashlib.sha256(whole[:5].tobytes())
    batch.update((whole.sum(1) > 0).astype("int32")[:5].tobytes())
    assert data["dataset"]["contents"] == batch.hexdigest()[:16]
    assert "--limit_batches 1" in (run_dir / "report.html").read_text()
    with pytest.raises(SystemExit, match="holds another search"):
        run("find", recipe, f"--run_dir={run_dir}", "--steps=4", "--batch_size=5")
    with pytest.raises(SystemExit, match=r"`--limit_batches` must be >= 1"):
        run("find", recipe, "--limit_batches=0")


@pytest.mark.parametrize(
    "model, takes",
    [
        (lambda: None, False),
        (lambda plan: None, True),
        (lambda *, plan: None, True),
        (lambda width=8: None, False),
        (lambda **more: None, False),
    ],
)
def test_only_a_model_that_asks_for_the_plan_is_given_it(model, takes):
    from tf_lottery.cli.recipes import model_of

    given = []

    def called(*args, **kwargs):
        given.append([*args, *kwargs.values()])

    called.__signature__ = inspect.signature(model)
    model_of(types.SimpleNamespace(model=called, __file__="r.py"), Plan())()
    assert given == [[Plan()] if takes else []]


def test_an_error_in_the_model_of_a_recipe_says_where(tmp_path):
    recipe = tmp_path / "little.py"
    recipe.write_text(LITTLE.replace("(rate)", "(rat=rate)"))
    with pytest.raises(SystemExit, match=r"model\(\) of the recipe .*\.py failed"):
        run("find", recipe, f"--run_dir={tmp_path}/run")


def test_a_recipe_may_import_a_module_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setitem(sys.modules, "beside_the_recipe", None)
    del sys.modules["beside_the_recipe"]
    (tmp_path / "beside_the_recipe.py").write_text("RATE = 0.5\n")
    recipe = tmp_path / "little.py"
    recipe.write_text(f"from beside_the_recipe import RATE\n{LITTLE}")
    from tf_lottery.cli.recipes import load_recipe

    assert load_recipe(str(recipe)).RATE == 0.5


@pytest.mark.first_case
@pytest.mark.parametrize("at", [2, 9])
def test_a_full_disk_is_one_line_and_the_search_goes_on(tmp_path, monkeypatch, at):
    recipe, run_dir = tmp_path / "little.py", tmp_path / "run"
    recipe.write_text(LITTLE)
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) >= at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(SystemExit, match="No space left on device") as stopped:
            run("find", recipe, f"--run_dir={run_dir}", "--verbose=0")
    assert "\n" not in str(stopped.value)
    assert not list(run_dir.rglob(f"{archive.TEMPORARY}*"))
    run("find", recipe, f"--run_dir={run_dir}", "--verbose=0")
    assert len(RunDir(run_dir).history()) == 2


def test_a_reader_that_ends_early_is_no_error(run_dir):
    command = f"set -o pipefail; {sys.executable} -m tf_lottery show {run_dir} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode in (0, 128 + signal.SIGPIPE)


def test_flags_override_the_plan_and_a_flag_file_holds_them(tmp_path):
    file = tmp_path / "small.flags"
    lines = ("# small", "--rounds=3", "--layer_rates=logits=0.1,b*/x=0")
    file.write_text("\n".join([*lines, "--block_size=1,4", ""]))
    arguments = cli.parse(
        ["tf_lottery", "find", "r.py", f"--flagfile={file}", "--rewind_to=7"]
    )
    plan = flags.override(Plan(steps=100, pruning_rate=0.3), arguments)
    assert plan == Plan(
        rounds=3,
        steps=100,
        pruning_rate=0.3,
        layer_rates={"logits": 0.1, "b*/x": 0.0},
        block_size=(1, 4),
        rewind_to=7,
    )


def test_either_length_takes_the_place_of_a_recipes_other():
    for plan, flag, expected in (
        (Plan(steps=100), "--epochs=2", Plan(epochs=2)),
        (Plan(epochs=2), "--steps=100", Plan(steps=100)),
    ):
        arguments = cli.parse(["tf_lottery", "find", "r.py", flag])
        assert flags.override(plan, arguments) == expected


def test_a_flag_file_that_is_not_there_is_one_line(capsys):
    with pytest.raises(SystemExit):
        cli.parse(["tf_lottery", "find", "r.py", "--flagfile=nowhere.flags"])
    assert "nowhere.flags" in capsys.readouterr().err.splitlines()[-1]


def test_every_field_of_a_plan_has_a_flag():
    arguments = vars(cli.parse(["tf_lottery", "find", "r.py"]))
    assert {field.name for field in dataclasses.fields(Plan)} <= arguments.keys()


def test_layer_rates_that_cannot_be_read_are_one_line():
    arguments = cli.parse(["tf_lottery", "find", "r.py", "--layer_rates=logits"])
    with pytest.raises(ValueError, match=r"like logits=0\.1"):
        flags.override(Plan(), arguments)


@pytest.mark.parametrize("text", ["1x4", "4", "1,4,1", "1,0", ""])
def test_a_block_size_that_cannot_be_read_is_one_line(text):
    arguments = cli.parse(["tf_lottery", "find", "r.py", f"--block_size={text}"])
    with pytest.raises(ValueError, match="block_size"):
        flags.override(Plan(), arguments)


def test_the_ticket_file_of_a_run_loads(run_dir):
    assert Ticket.load(run_dir / "ticket.safetensors").round == 3
