"""Only data sets need the extra `recipes`; without it all else works."""

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("tensorflow_datasets", "requests", "importlib_resources")
RECIPE = Path(__file__).parents[2] / "recipes" / "lenet_mnist.py"
SEARCH = """
import numpy as np, tf_keras
model = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(3)])
model.compile("sgd", "mse")
data = np.ones((8, 4)), np.ones((8, 3))
assert tf_lottery.find_ticket(model, data, 1, verbose=0).round == 1
"""


def python(code, *arguments):
    """A process in which tensorflow-datasets and what it alone needs are missing.

    requests and importlib_resources stay: TensorFlow and Matplotlib have them, too.
    """
    blocked = "import sys; sys.modules['tensorflow_datasets'] = None\n"
    command = [sys.executable, "-W", "ignore", "-c", blocked + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("package", PACKAGES)
def test_data_sets_without_the_extra_are_an_error_that_names_it(
    monkeypatch, tmp_path, package
):
    from tf_lottery.zoo import data

    monkeypatch.setitem(sys.modules, package, None)
    for load in (data.mnist, data.cifar10, lambda **given: data.load("x", **given)):
        with pytest.raises(ImportError, match="the extra `recipes`") as e:
            load(data_dir=tmp_path)
        assert f"(missing: {package})" in str(e.value)


def test_importing_and_the_command_line_need_no_extra():
    done = python(
        "import tf_lottery\n"
        "from tf_lottery import Data, Plan, find_ticket, load_history, report\n"
        "from tf_lottery.cli.main import main, parse\n"
        "parse(['tf_lottery', '--help'])"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "finds a winning ticket" in done.stdout


@pytest.mark.slow
def test_networks_and_a_search_need_no_extra():
    done = python("import tf_lottery\nfrom tf_lottery.zoo import lenet\n" + SEARCH)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_recipe_without_the_extra_ends_in_one_line(tmp_path):
    code = "from tf_lottery.cli.entry import run; run()"
    done = python(code, "find", str(RECIPE), f"--run_dir={tmp_path}", "--steps=2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("tf_lottery find: The data sets of")
    assert "Traceback" not in done.stderr
