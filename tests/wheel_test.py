"""The wheel and the sdist hold the package, all of it and nothing else, and it runs."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Of a checkout, the last two so that they can be found where they must not be.
PARTS = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "tf_lottery")
OTHERS = ("tests", "recipes")
DATA = {
    "tf_lottery/py.typed",
    "tf_lottery/cli/recipe.py.template",
    "tf_lottery/report/report.html.jinja",
}
SDIST = "from setuptools import build_meta; build_meta.build_sdist({!r})"
SEARCH = """
import numpy as np
import tf_keras
import tf_lottery

model = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(3)])
model.compile("sgd", "mse")
data = np.ones((8, 4)), np.ones((8, 3))
ticket = tf_lottery.find_ticket(model, data, 1, run_dir="run", verbose=0)
assert ticket.round == 1, ticket
"""


def run(*command, cwd):
    """What a command prints, in an environment that knows no other Python paths."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pip(*arguments, cwd):
    alone = ("--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", *alone, *map(str, arguments), cwd=cwd)


def wheel_of(source, into):
    """Builds the wheel of a source with the setuptools that is installed."""
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", into, source, cwd=source)
    (wheel,) = into.glob("*.whl")
    return wheel


def files(wheel):
    """The names in a wheel, without its metadata but with what they license."""
    names = zipfile.ZipFile(wheel).namelist()
    return {n for n in names if ".dist-info/" not in n or "/licenses/" in n}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, without what earlier builds left there."""
    copy = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in (*PARTS, *OTHERS):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return wheel_of(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-c", SDIST.format(str(folder)), cwd=source)
    (archive,) = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A new environment with the wheel, which borrows the packages that it needs.

    A path in a .pth file is searched, but the .pth files there are not read: so an
    editable installation of the project, which is one, is out of reach.
    """
    path = tmp_path_factory.mktemp("venv")
    venv.create(path)
    python = path / "bin" / "python"
    pip("--python", python, "install", "--no-deps", "--no-index", wheel, cwd=path)
    (packages,) = path.glob("lib/python*/site-packages")
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "borrowed.pth").write_text("\n".join(sorted(borrowed)))
    # The module distutils, which tfmot imports, for Pythons that do not have it.
    for shim in Path(sysconfig.get_path("purelib")).glob("distutils-*.pth"):
        shutil.copy(shim, packages)
    return path


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(source, wheel):
    code = {f.relative_to(source).as_posix() for f in source.glob("tf_lottery/**/*.py")}
    found = files(wheel)
    (license,) = (name for name in found if ".dist-info/" in name)
    assert license.endswith("/licenses/LICENSE")
    assert found - {license} == code | DATA


def test_the_sdist_holds_no_tests_and_no_data_and_makes_the_same_wheel(
    wheel, sdist, tmp_path
):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    tops = {path.name for path in unpacked.iterdir()}
    assert tops == {*PARTS, "PKG-INFO", "tf_lottery.egg-info"}
    again = wheel_of(unpacked, tmp_path / "again")
    assert files(again) == files(wheel)


def test_the_wheel_asks_for_no_package_that_only_recipes_need(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    wanted = [line for line in lines if line.startswith("Requires-Dist:")]
    always = [line for line in wanted if "extra ==" not in line]
    assert always
    for package in ("tensorflow-datasets", "requests", "importlib_resources"):
        assert not any(package in line for line in always)
        assert any(package in line and '"recipes"' in line for line in wanted)


@pytest.mark.slow
def test_the_wheel_runs_in_an_environment_of_its_own(environment, tmp_path):
    python, command = (environment / "bin" / name for name in ("python", "tf_lottery"))
    where = "import tf_lottery; print(*tf_lottery.__path__)"
    path = Path(run(python, "-c", where, cwd=tmp_path).strip())
    assert path.is_relative_to(environment)
    assert "finds a winning ticket" in run(command, "--help", cwd=tmp_path)
    run(command, "init", "x.py", cwd=tmp_path)
    run(python, "-c", SEARCH, cwd=tmp_path)
    assert {"ticket.safetensors", "report.html"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    found = run(command, "find", "x.py", "--rounds=1", "--steps=20", cwd=tmp_path)
    assert "run directory   runs/x" in found
