"""The house: imports go down, nothing runs in a circle, files are short."""

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tf_lottery"
LONGEST = 350  # lines of a file
# Each room imports rooms of a lower number, and modules of its own.
RANKS = {
    "core": 0,
    "verdict": 1,
    "bindings": 2,
    "training": 3,
    "run_dir": 4,
    "report": 4,  # a search ends with its report
    "search": 5,
    "studies": 6,
    "export": 6,
    "zoo": 6,
    "tuner": 7,  # prints the tables of a sweep
    "cli": 8,
}
KERAS = {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization"}
BINDINGS = ["tf_lottery.bindings.keras3", "tf_lottery.bindings.tf_keras"]
# What bindings share, on TensorFlow and everywhere.
TF_SHARED = "tf_lottery.bindings.tf_shared"
SHARED = "tf_lottery.bindings.shared"
# What a trainer offers to those above it.
TRAINER = 17


@dataclass(frozen=True)
class Import:
    """`module` imports `target`, anywhere in it."""

    module: str
    target: str

    @property
    def rooms(self):
        """From which room to which; None outside of the package."""
        return _room(self.module), _room(self.target)


def _room(module):
    parts = module.split(".")
    inside = parts[0] == "tf_lottery" and len(parts) > 1 and parts[1] in RANKS
    return parts[1] if inside else None


def _module(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


FILES = {_module(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _imports(module):
    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield Import(module, name if name in FILES else node.module)
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return visit(ast.parse(FILES[module].read_text()))


IMPORTS = [found for module in FILES for found in _imports(module)]
INSIDE = [each for each in IMPORTS if None not in each.rooms]


def test_the_imports_of_the_package_are_found():
    assert Import("tf_lottery.core.prune", "numpy") in IMPORTS
    assert any(each.rooms == ("training", "bindings") for each in INSIDE)


def test_every_module_is_in_a_known_room():
    alone = {"tf_lottery", "tf_lottery.__main__", "tf_lottery._version"}
    assert {module for module in FILES if _room(module) is None} == alone


def test_imports_go_down_only():
    def goes_down(found):
        above, below = found.rooms
        return above == below or RANKS[above] > RANKS[below]

    assert [each for each in INSIDE if not goes_down(each)] == []


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_binding_is_imported_by_itself_alone(binding):
    """Others get it from `bindings`, by the class of a model."""
    others = {
        each
        for each in INSIDE
        if each.target.startswith(binding) and not each.module.startswith(binding)
    }
    assert others == set()


@pytest.mark.parametrize("binding", [*BINDINGS, TF_SHARED, SHARED])
def test_a_binding_imports_core_and_what_bindings_share_alone(binding):
    of_binding = [each for each in INSIDE if each.module.startswith(binding)]
    known = (binding, SHARED, "tf_lottery.core", "tf_lottery.bindings.parts")
    known += (TF_SHARED,) * (binding in BINDINGS)
    assert of_binding
    assert [each for each in of_binding if not each.target.startswith(known)] == []


def test_core_needs_numpy_only():
    known = {*sys.stdlib_module_names, "numpy", "tf_lottery"}
    foreign = {
        each.target
        for each in IMPORTS
        if _room(each.module) == "core" and each.target.partition(".")[0] not in known
    }
    # bfloat16 is a type of TensorFlow's, and only files that hold it need it. pandas is
    # what `History.to_dataframe` returns.
    assert foreign == {"ml_dtypes", "pandas"}


def test_frameworks_are_imported_in_few_places():
    modules = {i.module for i in IMPORTS if i.target.partition(".")[0] in KERAS}
    assert modules == {
        "tf_lottery.bindings.keras3._imports",
        "tf_lottery.bindings.keras3.backends.tensorflow",
        "tf_lottery.bindings.keras3.engines.tensorflow",
        "tf_lottery.bindings.tf_keras._imports",
        "tf_lottery.bindings.tf_shared._imports",
        "tf_lottery.export.tensorflow._imports",  # whatever the Keras
        "tf_lottery.zoo._frameworks",  # `tf.data`, whatever the Keras
    }


def test_what_only_data_sets_need_is_loaded_only_when_one_is_asked_for():
    trees = [ast.parse(path.read_text()) for path in FILES.values()]
    tops = [ast.unparse(node) for tree in trees for node in tree.body]
    early = re.compile("(from|import) (tensorflow_datasets|requests|importlib_res)")
    assert [top for top in tops if early.match(top)] == []


def test_there_are_no_circles():
    below = {}
    for each in INSIDE:
        if each.target != each.module:
            below.setdefault(each.module, set()).add(each.target)
    done = set()

    def follow(module, path=()):
        assert module not in path, " -> ".join([*path, module])
        if module in done:
            return
        for target in below.get(module, ()):
            follow(target, (*path, module))
        done.add(module)

    for module in below:
        follow(module)


@pytest.mark.parametrize("module", FILES)
def test_files_are_short(module):
    assert len(FILES[module].read_text().splitlines()) <= LONGEST


def test_few_names_of_a_trainer_are_used_above_it():
    """The rooms above call a trainer `trainer`, `_trainer` or `own`."""
    tree = ast.parse(FILES["tf_lottery.training.trainer"].read_text())
    nodes = list(ast.walk(tree))
    names = {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
    names |= {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    used = set()
    for module, path in FILES.items():
        if RANKS.get(_room(module), 0) <= RANKS["training"]:
            continue
        nodes = ast.walk(ast.parse(path.read_text()))
        found = [node for node in nodes if isinstance(node, ast.Attribute)]
        used |= {
            node.attr
            for node in found
            if ast.unparse(node.value).split(".")[-1] in ("trainer", "_trainer", "own")
        }
    used &= names
    assert "train" in used
    assert len(used) <= TRAINER, sorted(used)


WITHOUT = [
    "tf_lottery",
    "tf_lottery.bindings",
    "tf_lottery.bindings.protocol",
    "tf_lottery.cli.main",
    "tf_lottery.cli.commands",
    *(
        module
        for module in FILES
        if _room(module)
        in (
            *("core", "verdict", "training", "run_dir", "search", "studies"),
            *("report", "export"),
        )
        and not module.startswith("tf_lottery.export.tensorflow")
    ),
]


@pytest.fixture(scope="module")
def loaded():
    """What of TensorFlow is loaded after each of these imports, in one process."""
    lines = (
        f"import {name}; print({name!r}, *{KERAS} & set(sys.modules))"
        for name in WITHOUT
    )
    code = "\n".join(["import sys", *lines])
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    found = dict((*line.split(maxsplit=1), "")[:2] for line in run.stdout.splitlines())
    return found, run.stderr


@pytest.mark.parametrize("module", WITHOUT)
def test_no_framework_is_loaded_by(loaded, module):
    found, errors = loaded
    assert module in found, errors
    assert found[module] == ""


def test_the_public_names_are_all_there():
    import tf_lottery

    assert set(tf_lottery.__all__) == {*tf_lottery._NAMES, *tf_lottery._MODULES}
    for module, name in ((m, n) for n, m in tf_lottery._NAMES.items()):
        tree = ast.parse(FILES[module].read_text())
        assert name in {getattr(node, "name", None) for node in tree.body}, name
    with pytest.raises(AttributeError, match="no attribute 'lottery'"):
        _ = tf_lottery.lottery
