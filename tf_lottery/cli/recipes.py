"""Recipes: Python files that say what is searched, and how."""

import ast
import contextlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tf_lottery import bindings
from tf_lottery.core.data import Data
from tf_lottery.core.plan import Plan

DTYPE_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
_PARTS = {
    "PLAN": "a PLAN that is a tf_lottery.Plan",
    "model": "model (a function)",
    "dataset": "dataset (a function of a seed)",
}


def choose_keras(arguments: Any) -> None:
    """Chooses the Keras of the flags; else Keras 3 if the recipe imports `keras`."""
    if arguments.keras:
        bindings.choose(arguments.keras)
    elif _imports_keras(arguments.recipe):
        bindings.choose("keras3")


def check_recipe(path: str) -> None:
    """Raises unless there is Python at a path; it is not run."""
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"A recipe must be a Python file. Received: {path!r}, which does not exist."
        )
    with _named(f"The recipe {path}"):
        compile(Path(path).read_bytes(), path, "exec")


def load_recipe(path: str) -> ModuleType:
    """A recipe's module; raises if it fails, or lacks PLAN, model or dataset."""
    check_recipe(path)
    file = Path(path)
    name = f"recipe_{file.stem}"  # not the name of another module
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"A recipe must be a Python file. Received: {path!r}.")
    folder = str(file.parent.resolve())
    if folder not in sys.path:  # as `python recipe.py` does
        sys.path.insert(0, folder)
    recipe = importlib.util.module_from_spec(spec)
    sys.modules[name] = recipe
    with _named(f"The recipe {path}"):
        spec.loader.exec_module(recipe)
    has = {name: callable(getattr(recipe, name, None)) for name in _PARTS}
    has["PLAN"] = isinstance(getattr(recipe, "PLAN", None), Plan)
    if missing := [what for name, what in _PARTS.items() if not has[name]]:
        raise ValueError(
            "A recipe must have PLAN, model() and dataset(seed). "
            f"{path} lacks {', '.join(missing)}."
        )
    return recipe


def objects_of(recipe: ModuleType) -> dict[str, Any]:
    """The classes and functions of a recipe, which a ticket's model may need."""
    parts = vars(recipe).items()
    return {name: p for name, p in parts if callable(p) and name not in _PARTS}


def model_of(
    recipe: ModuleType, plan: Plan, dtype_policy: str | None = None
) -> Callable[[], Any]:
    """A function without arguments that returns the recipe's model.

    The recipe's `model` may take the `plan`, to fit a schedule to its length.
    `dtype_policy` is the policy of Keras under which the model is made; default: the
    current one.
    """
    takes_plan = "plan" in inspect.signature(recipe.model).parameters
    arguments = {"plan": plan} if takes_plan else {}

    def model() -> Any:
        with (
            bindings.default().under(dtype_policy),
            _named(f"model() of the recipe {recipe.__file__}"),
        ):
            return recipe.model(**arguments)

    return model


def dataset_of(
    recipe: ModuleType, plan: Plan, batches: int | None
) -> Callable[[int], Any]:
    """A function of the seed that returns the recipe's data.

    The recipe's `dataset` returns `Data`, or a data set to train on. `batches` limits
    the batches of each data set; arrays are in batches of the plan's size.
    """
    if batches is None:
        dataset: Callable[[int], Any] = recipe.dataset
        return dataset

    def limited(seed: int) -> Any:
        first_batches = bindings.default().first_batches
        found, size = recipe.dataset(seed), plan.batch_size
        data = found if isinstance(found, Data) else Data(found)
        parts = (data.train, data.validation, data.test)
        return Data(*(first_batches(part, batches, size) for part in parts))

    return limited


def _imports_keras(path: str) -> bool:
    """Whether a recipe imports `keras`, as its code says; it is not run."""
    names = set()
    for node in ast.walk(ast.parse(Path(path).read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return "keras" in names


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """Names the part of a recipe in which an error occurs."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{what} failed with {type(error).__name__}: {str(error).rstrip('.')}. "
            "(`--debug` shows where.)"
        ) from error
