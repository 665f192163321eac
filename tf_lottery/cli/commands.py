"""What the commands do. TensorFlow is imported by `find` alone."""

import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from tf_lottery.cli import flags
from tf_lottery.core.plan import Plan
from tf_lottery.core.records import History
from tf_lottery.core.ticket import Ticket
from tf_lottery.report import plot, table, to_csv, to_json
from tf_lottery.search.store import Store
from tf_lottery.search.verify import verify as verify_run
from tf_lottery.search.winner import choose

_RECIPE = {"PLAN": "a Plan", "model": "a function", "dataset": "a function of a seed"}


def find(arguments: Any) -> None:
    """Finds a ticket of a recipe, and reports it."""
    with _no_stderr():
        # TensorFlow greets with lines that no setting silences.
        from tf_lottery._keras import tf

        if arguments.strategy is None:
            tf.config.list_logical_devices()
    from tf_lottery.search.find import search
    from tf_lottery.training.trainer import Trainer

    recipe = load_recipe(arguments.recipe)
    plan = flags.override(recipe.PLAN, arguments)
    run_dir = Path(arguments.run_dir or f"runs/{Path(arguments.recipe).stem}")

    trainer = Trainer(recipe.model, recipe.dataset, plan, strategy=arguments.strategy)
    search(
        trainer,
        run_dir=run_dir,
        overwrite=arguments.overwrite,
        verbose=arguments.verbose,
    )
    if not trainer.workers.is_chief:
        return
    history = Store(run_dir).history()
    if arguments.verbose:
        _print_table(history)
    _write_report(history, run_dir)
    if arguments.verbose:
        _print_files(run_dir)


def show(arguments: Any) -> None:
    """Prints a run directory or a ticket file."""
    path = Path(arguments.path)
    if path.is_dir():
        _print_table(_finished(path))
    else:
        print(Ticket.load(path).summary())


def report(arguments: Any) -> None:
    """Writes the files of a report, and prints the table."""
    run_dir = Path(arguments.run_dir)
    history = _finished(run_dir)
    _print_table(history)
    _write_report(history, run_dir)
    _print_files(run_dir)


def verify(arguments: Any) -> None:
    """Checks a run directory or a ticket file."""
    path = Path(arguments.path)
    if path.is_dir():
        for line in verify_run(path):
            print(line)
    else:
        Ticket.load(path).verify()
    print(f"{path}: everything holds.")


def load_recipe(path: str) -> ModuleType:
    """A recipe's module, with PLAN, model and dataset.

    Raises:
        ValueError: The file is no recipe.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no recipe {path!r}.")
    name = f"recipe_{file.stem}"  # a module's name that is no one else's
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"A recipe must be a Python file. Received: {path!r}.")
    recipe = importlib.util.module_from_spec(spec)
    sys.modules[name] = recipe
    try:
        spec.loader.exec_module(recipe)
    except Exception as error:
        raise ValueError(
            f"The recipe {path} failed with {type(error).__name__}: {error} "
            "(`--debug` shows where.)"
        ) from error
    missing = [f"{n} ({what})" for n, what in _RECIPE.items() if not hasattr(recipe, n)]
    if missing or not isinstance(recipe.PLAN, Plan):
        raise ValueError(
            "A recipe must have PLAN, model() and dataset(seed). "
            f"{path} lacks {', '.join(missing) or 'a PLAN that is a tf_lottery.Plan'}."
        )
    return recipe


@contextlib.contextmanager
def _no_stderr() -> Iterator[None]:
    """Nothing on the standard error stream, of native code neither."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _finished(run_dir: Path) -> History:
    history = Store(run_dir).history()
    if not len(history):
        raise ValueError(f"{run_dir} holds no finished round yet.")
    return history


def _write_report(history: History, run_dir: Path) -> None:
    to_csv(history, run_dir / "summary.csv")
    to_json(history, run_dir / "summary.json")
    try:
        plot(history, run_dir / "accuracy.png")
    except ImportError as error:
        print(error)


def _print_table(history: History) -> None:
    print(table(history, shutil.get_terminal_size((88, 24)).columns))
    if len(history) <= history.plan.rounds:
        print(f"{len(history)} of {history.plan.rounds + 1} rounds are finished.")
    print(choose(history).reason)


def _print_files(run_dir: Path) -> None:
    print(f"\n{'devices':15} {Store(run_dir).facts().get('devices', 'not known')}")
    print(f"{'run directory':15} {run_dir}")
    for name, what in {
        "summary.csv": "numbers",
        "summary.json": "numbers, curves",
        "accuracy.png": "figure",
        "ticket.npz": "ticket",
    }.items():
        if (run_dir / name).exists():
            print(f"{what:15} {run_dir / name}")
