"""Imports go down only, and most of the package does not wait for TensorFlow."""

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tf_lottery"
RANKS = {
    "core": 0,
    "verdict": 1,
    "bindings": 2,
    "training": 3,
    "run_dir": 4,
    "search": 5,
    "studies": 6,
    "report": 6,
    "export": 6,
    "tuner": 6,
    "zoo": 6,
    "cli": 7,
}
TENSORFLOW = {"tensorflow", "tf_keras", "keras", "tensorflow_model_optimization"}
# The methods of a ticket that need a live model, and nothing else.
FACADE = {"Ticket.model", "Ticket.apply", "Ticket.export"}


@dataclass(frozen=True)
class Import:
    """`module` imports `target`, in the function `where` or, if "", at its top."""

    module: str
    target: str
    where: str

    @property
    def layers(self):
        """From which layer to which; None outside of the package."""
        return _layer(self.module), _layer(self.target)


def _layer(module):
    parts = module.split(".")
    inside = parts[0] == "tf_lottery" and parts[1:] not in ([], ["__version__"])
    return parts[1] if inside else None


def _module(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _imports(path):
    module = _module(path)

    def visit(node, where):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, where) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            for alias in node.names:
                yield Import(module, f"{node.module}.{alias.name}", where)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            where = f"{where}.{node.name}".lstrip(".")
        for child in ast.iter_child_nodes(node):
            yield from visit(child, where)

    return visit(ast.parse(path.read_text()), "")


IMPORTS = [i for path in sorted(PACKAGE.rglob("*.py")) for i in _imports(path)]
# The package's own lazy names, and `python -m tf_lottery`, reach everywhere.
INSIDE = [
    i for i in IMPORTS if None not in i.layers and i.module != "tf_lottery.__main__"
]


def test_the_imports_of_the_package_are_found():
    assert Import("tf_lottery.core.prune", "numpy", "") in IMPORTS
    assert any(i.layers == ("training", "bindings") for i in INSIDE)
    assert any(i.where in FACADE for i in INSIDE)


def test_every_module_is_in_a_known_layer():
    assert {layer for i in INSIDE for layer in i.layers} <= set(RANKS)


def test_imports_go_down_only():
    def goes_down(found):
        above, below = found.layers
        if above == below or (above, below) == ("tuner", "report"):
            return True
        return RANKS[above] > RANKS[below]

    up = [i for i in INSIDE if not goes_down(i)]
    assert [i for i in up if i.where not in FACADE] == []
    assert {(i.module, i.target) for i in up} <= {
        (
            "tf_lottery.core.ticket",
            "tf_lottery.bindings.tf_keras.rebuilding.ticket_model",
        ),
        ("tf_lottery.core.ticket", "tf_lottery.export"),
    }


def test_core_does_not_know_keras():
    assert {i.where for i in INSIDE if i.layers == ("core", "bindings")} <= FACADE


def test_core_needs_numpy_only():
    known = {*sys.stdlib_module_names, "numpy", "tf_lottery"}
    foreign = [
        i
        for i in IMPORTS
        if _layer(i.module) == "core" and i.target.partition(".")[0] not in known
    ]
    # bfloat16 is a type of TensorFlow's, and only files that hold it need it.
    assert [(i.target, i.where) for i in foreign] == [("ml_dtypes", "dtype_of")]


def test_tensorflow_and_keras_are_imported_in_one_place():
    modules = {i.module for i in IMPORTS if i.target.partition(".")[0] in TENSORFLOW}
    # The format of TFLite files belongs to exports, whatever Keras the model is of.
    schema = "tf_lottery.export._tflite_schema"
    assert modules == {"tf_lottery.bindings.tf_keras._imports", schema}


def test_tensorflow_datasets_is_imported_only_where_data_are_asked_for():
    found = [i for i in IMPORTS if i.target.startswith("tensorflow_datasets")]
    assert {_layer(i.module) for i in found} == {"zoo"}
    assert all(i.where for i in found)


def test_there_are_no_cycles():
    below = {}
    for i in INSIDE:
        if not i.where:
            target = next(
                m for m in (i.target, i.target.rpartition(".")[0]) if _exists(m)
            )
            below.setdefault(i.module, set()).add(target)

    def reaches(module, seen=()):
        assert module not in seen, " -> ".join([*seen, module])
        for target in below.get(module, ()):
            reaches(target, (*seen, module))

    for module in below:
        reaches(module)


def _exists(module):
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


WITHOUT = [
    "tf_lottery",
    "tf_lottery.cli.main",
    "tf_lottery.report",
    "tf_lottery.search.progress",
    "tf_lottery.search.rounds",
    "tf_lottery.run_dir.run_dir",
    "tf_lottery.run_dir.verify",
    "tf_lottery.training.checkpoint",
    *(
        f"tf_lottery.core.{path.stem}"
        for path in sorted((PACKAGE / "core").glob("[!_]*.py"))
    ),
]


@pytest.fixture(scope="module")
def loaded():
    """What of TensorFlow is loaded after each of these imports, in one process."""
    lines = (
        f"import {name}; print({name!r}, *{TENSORFLOW} & set(sys.modules))"
        for name in WITHOUT
    )
    code = "\n".join(["import sys", *lines])
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    found = dict((*line.split(maxsplit=1), "")[:2] for line in run.stdout.splitlines())
    return found, run.stderr


@pytest.mark.parametrize("module", WITHOUT)
def test_tensorflow_is_not_loaded_by(loaded, module):
    found, errors = loaded
    assert module in found, errors
    assert found[module] == ""


def test_the_public_names_are_all_there():
    import tf_lottery

    assert set(tf_lottery.__all__) == {*tf_lottery._NAMES, *tf_lottery._MODULES}
    for module, name in ((m, n) for n, m in tf_lottery._NAMES.items()):
        tree = ast.parse(
            PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py").read_text()
        )
        assert name in {getattr(node, "name", None) for node in tree.body}, name
    with pytest.raises(AttributeError, match="no attribute 'lottery'"):
        _ = tf_lottery.lottery
