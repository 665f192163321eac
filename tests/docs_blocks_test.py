"""Every Python block of the documents runs, with small data and few steps."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    path.relative_to(ROOT).as_posix()
    for path in [*sorted(ROOT.glob("docs/*.md")), ROOT / "recipes" / "README.md"]
    if "```python" in path.read_text()
]
# Its blocks are run by a test of their own.
STRATEGIES = "docs/distribution.md"
ELSEWHERE = ["docs/design.md", STRATEGIES]
if os.environ.get("ALONE"):
    ELSEWHERE = [document for document in DOCUMENTS if document != STRATEGIES]
# What a document has from an earlier one.
EXPORTED = {"docs/edge.md": ["ticket.tflite"], "docs/export.md": ["ticket"]}
# What is shorter in a test than in the document.
SHORTER = [
    (r"rounds=1[05]\b", "rounds=2"),
    (r"\bepochs=(10|3)\b", "epochs=1"),
    ('"epochs": 10', '"epochs": 2'),
    (r"replicates=5", "replicates=2"),
    (r"control_rounds=\{.*?\}", 'control_rounds={"reinit": (1, 2), "shuffle": (2,)}'),
    (r"\.rounds\[7\]", ".rounds[1]"),
    (r"rewind_to=500", "rewind_to=1"),
    (r"\bk=500", "k=1"),
    (r"max_trials=20", "max_trials=2"),
    (r"steps_per_(round|epoch)=1000", r"steps_per_\1=4"),
    (r"keras\.Sequential\(\[\.\.\.\]\)", "tiny()"),
    (r"model\.compile\(\.\.\.\)", "model.compile(loss='mse')"),
    (r"get_best_tickets\(\)\[0\]", "get_best_tickets()"),  # here none may win
    (r"train\[:55000\]", "train[:90]"),
    (r"train\[55000:\]", "train[90:120]"),
]


def blocks(document, of_torch=False):
    text = (ROOT / document).read_text()
    found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    found = [block for block in found if ("import torch" in block) == of_torch]
    for long, short in SHORTER:
        found = [re.sub(long, short, block, flags=re.DOTALL) for block in found]
    return found


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What the documents speak of, made small."""
    import tensorflow_model_optimization as tfmot

    import tf_lottery
    from tests.models import arrays, compiled, keras, tf, tiny, unseeded
    from tf_lottery.zoo import lenet

    monkeypatch.chdir(tmp_path)
    x, y = arrays()
    images = np.random.default_rng(0).random((32, 28, 28, 1)).astype("float32")
    network = lenet.lenet_300_100()
    data = images, np.arange(32) % 10
    found = tf_lottery.find_ticket(network, data, 1, verbose=0, validation_data=data)
    return {
        **{"tf": tf, "keras": keras, "tfmot": tfmot, "tf_lottery": tf_lottery},
        **{"tiny": tiny, "make_model": unseeded},
        "other_model": unseeded(),
        **{"x": x, "y": y, "data": (x, y), "dataset": (x, y), "validation": (x, y)},
        **{"x_val": x, "y_val": y, "x_test": x, "y_test": y, "images": images},
        "ticket": found,
        "trainer": tf_lottery.Trainer(compiled(tiny()), (x, y), tf_lottery.Plan(1)),
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d not in ELSEWHERE])
def test_the_blocks_run_in_their_order(document, names):
    for path in EXPORTED.get(document, ()):
        names["ticket"].export(path, verbose=0)
    for number, block in enumerate(blocks(document)):
        names["model"] = names["make_model"]()
        if "dataset.repeat()" in block:
            names["dataset"] = names["tf"].data.Dataset.from_tensors(names["data"])
        exec(compile(block, f"{document}, block {number}", "exec"), names)


@pytest.mark.slow
def test_the_blocks_of_strategies_run_in_a_process_of_their_own():
    """TensorFlow's collectives fail where a process has made other strategies."""
    tests = f"{__file__}::test_the_blocks_run_in_their_order"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "slow", tests]
    command += ["-p", "no:cacheprovider", "--numprocesses", "0"]
    done = subprocess.run(
        command,
        env={**os.environ, "ALONE": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_the_blocks_of_pytorch_run_in_processes_of_its_own(tmp_path):
    """Keras 3 has one backend in a process."""
    pytest.importorskip("torch")
    found = blocks("docs/keras.md", of_torch=True)
    assert ["PLAN =" in block for block in found] == [False, True]
    (tmp_path / "recipe.py").write_text(found[1])
    command = "from tf_lottery.cli.entry import run; run()"
    for arguments in ([found[0]], [command, "find", "recipe.py"]):
        done = subprocess.run(
            [sys.executable, "-c", *arguments],
            env={**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "runs/recipe/ticket.safetensors").exists()


def test_the_loop_of_the_design_is_the_search():
    from tests.fakes import FakeTrainer
    from tf_lottery import Plan, Round, run_rounds
    from tf_lottery.core.next_ticket import prune_ticket

    (block,) = blocks("docs/design.md")
    code = f"def search(trainer, plan):\n{textwrap.indent(block, '    ')}"
    names = {"Round": Round, "prune_ticket": prune_ticket}
    exec(compile(code, "docs/design.md", "exec"), names)
    plan = Plan(rounds=3)
    mine = list(names["search"](FakeTrainer(plan), plan))
    theirs = list(run_rounds(FakeTrainer(plan), plan))
    assert [each.ticket.masks for each in mine] == [r.ticket.masks for r in theirs]
