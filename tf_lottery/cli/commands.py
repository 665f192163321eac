"""What the commands do. TensorFlow is imported by `find`, `sweep` and `export`."""

import dataclasses
import functools
import importlib.resources
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tf_lottery import bindings
from tf_lottery import report as reports
from tf_lottery.cli import flags
from tf_lottery.cli.completion import script
from tf_lottery.cli.export_flags import EXPORT
from tf_lottery.cli.printing import (
    print_files,
    print_paths,
    print_table,
    width,
    write_report,
)
from tf_lottery.cli.recipes import (
    check_recipe,
    choose_keras,
    dataset_of,
    load_recipe,
    model_of,
    objects_of,
)
from tf_lottery.cli.runs import (
    compared_with,
    each_run,
    finished,
    line_of,
    one_run,
    runs_of,
)
from tf_lottery.cli.sweep_flags import check_sweep
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import FoundTicket, Ticket
from tf_lottery.core.words import quiet
from tf_lottery.report.reproduce import OPTIONS
from tf_lottery.report.table import unfinished
from tf_lottery.run_dir.names import COMPARED, EXPORTS
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.run_dir.verify import verify as verify_run
from tf_lottery.training.data import Given

_SWEEP = {
    "report.html": "report",
    "front.png": "figure",
    "trials.csv": "numbers",
    "trials.json": "numbers",
}


def find(arguments: Any) -> None:
    """Finds a ticket with a recipe, and reports it."""
    _check_searching(arguments)
    choose_keras(arguments)
    with quiet():
        binding = bindings.default()
        if arguments.strategy is None:
            binding.start()
    from tf_lottery.search.find import search
    from tf_lottery.training.trainer import Trainer

    recipe = load_recipe(arguments.recipe)
    plan = flags.override(recipe.PLAN, arguments)
    run_dir = Path(arguments.run_dir or f"runs/{Path(arguments.recipe).stem}")

    options = {name: getattr(arguments, name) for name in OPTIONS}
    model = model_of(recipe, plan, arguments.dtype_policy)
    dataset = dataset_of(recipe, plan, arguments.limit_batches)
    trainer = Trainer(model, dataset, plan, strategy=arguments.strategy)
    ticket = search(
        trainer,
        run_dir=run_dir,
        share_with=arguments.share_with,
        overwrite=arguments.overwrite,
        verbose=arguments.verbose,
        recipe=str(Path(arguments.recipe).resolve()),
        **options,
    )
    if not trainer.workers.is_chief:
        return
    found = reports.Frame(RunDir(run_dir).history())
    if arguments.verbose:
        print_table(found, run_dir)
    write_report(found, run_dir)
    if arguments.export:
        _export_found(ticket, run_dir / EXPORTS[arguments.export], arguments.verbose)
    if arguments.verbose:
        print_files(run_dir)


def init(arguments: Any) -> None:
    """Writes a recipe to begin with."""
    path = Path(arguments.path)
    if path.suffix != ".py":
        raise ValueError(f"A recipe is a Python file, like my.py. Received: {path}.")
    if path.exists():
        raise FileExistsError(f"{path} is there already. Pass another name.")
    template = importlib.resources.files("tf_lottery.cli") / "recipe.py.template"
    path.write_text(template.read_text())
    print(f"{path} is a recipe. Next: tf_lottery find {shlex.quote(str(path))}")


def completion(arguments: Any) -> None:
    """Prints the script by which a shell completes the command."""
    print(script(arguments.shell), end="")


def sweep(arguments: Any) -> None:
    """Sweeps over ways to find tickets with a recipe, and reports it."""
    _check_searching(arguments)
    check_sweep(arguments)
    with quiet():
        from tf_lottery.cli.sweeping import swept
    choose_keras(arguments)
    tuner = swept(load_recipe(arguments.recipe), arguments)
    if tuner.is_worker:
        return  # the chief reports the sweep
    found = tuner.sweep()
    if not found.trials:
        sys.exit("tf_lottery sweep: all trials failed.")
    directory = Path(tuner.project_dir)
    facts = RunDir(tuner.run_dir(found.trials[0].name)).manifest()
    facts["recipe"] = str(Path(arguments.recipe).resolve())
    facts["sweep"] = arguments.typed
    found.to_csv(directory / "trials.csv")
    found.to_json(directory / "trials.json")
    try:
        found.plot(directory / "front.png")
        page = directory / "report.html"
        reports.to_html(found.trials[0].frame, page, facts, sweep=found)
    except ImportError as error:
        print(error)
    if arguments.verbose:
        print(f"\n{found.summary(None, width())}\n")
        print_paths(directory, _SWEEP)


def show(arguments: Any) -> None:
    """Prints a run directory or a ticket file; of several runs a line each."""
    path = _existing(arguments.path)
    if not path.is_dir():
        print(Ticket.load(path).summary())
        return
    if runs_of(path) == [path]:
        print_table(reports.Frame(finished(path)), path)
        return
    each_run(path, lambda run_dir: print(line_of(run_dir)))


def report(arguments: Any) -> None:
    """Writes the files of a report, and prints the table."""
    path = _existing(arguments.run_dir)
    if arguments.compare:
        path = one_run(path, "report --compare")
    each_run(path, functools.partial(_report, arguments=arguments))


def _report(run_dir: Path, *, arguments: Any) -> None:
    found = reports.Frame(finished(run_dir))
    compared = compared_with(found.history, arguments.compare, run_dir)
    print_table(found, run_dir)
    write_report(found, run_dir, compared)
    if arguments.tensorboard:
        reports.to_tensorboard(found.history, run_dir / "tensorboard")
    if compared:
        print(f"\n{compared.table(width())}")
    print_files(run_dir, () if compared else COMPARED)


def export(arguments: Any) -> None:
    """Exports the ticket of a run directory or a ticket file."""
    path = _existing(arguments.path)
    if arguments.recipe:
        check_recipe(arguments.recipe)
    if path.is_dir():
        path = one_run(path, "export")
    ticket, facts = _ticket(path, arguments.round)
    with quiet():
        bindings.choose(bindings.name_of(ticket.architecture))
        bindings.of_architecture(ticket.architecture)
    given = {name: getattr(arguments, name) for name in EXPORT}
    if arguments.recipe:
        code = load_recipe(arguments.recipe)
        ticket = _with_recipe(ticket, code, facts.get("dtype_policy"))
        given["custom_objects"] = objects_of(code)
    elif recipe := facts.get("recipe"):
        print(
            f"Exporting without data. The search used the recipe {recipe!r}, which is "
            "code: if you trust it, pass it as `--recipe` to check the file on its "
            "data."
        )
    given = {name: value for name, value in given.items() if value is not None}
    run_dir = path if path.is_dir() else path.parent
    output = arguments.output or run_dir / EXPORTS[arguments.format or "saved_model"]
    ticket.export(output, arguments.format, overwrite=arguments.overwrite, **given)


def verify(arguments: Any) -> None:
    """Checks a run directory or a ticket file."""
    path = _existing(arguments.path)
    if not path.is_dir():
        Ticket.load(path).verify()
        print(f"{path}: everything holds.")
        return
    each_run(path, functools.partial(_verify, run_code=arguments.run_code))


def _verify(run_dir: Path, *, run_code: bool) -> None:
    for line in verify_run(run_dir, run_code=run_code):
        print(line)
    if left := unfinished(RunDir(run_dir).trainings()):
        print(left)
    print(f"{run_dir}: everything holds.")


def _check_searching(arguments: Any) -> None:
    """Raises unless there is a recipe and all flags can work, before a Keras loads."""
    check_recipe(arguments.recipe)
    flags.check(arguments)
    if arguments.limit_batches is not None and arguments.limit_batches < 1:
        raise ValueError(
            f"`--limit_batches` must be >= 1. Received: {arguments.limit_batches}."
        )


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.exists():
        raise FileNotFoundError(
            f"The path must be a run directory or a ticket file. Received: {path}, "
            "which does not exist."
        )
    return path


def _ticket(path: Path, number: int | None) -> tuple[FoundTicket, Mapping[str, Any]]:
    """The ticket of a file or of a round of a run directory, and the search's facts."""
    if not path.is_dir():
        if number is not None:
            raise ValueError(f"`--round` needs a run directory. Received: {path}.")
        return FoundTicket.load(path), {}
    from tf_lottery.search.find import chosen

    history, facts = finished(path), RunDir(path).manifest()
    if len(history) <= history.plan.rounds:
        print(f"{len(history)} of {history.plan.rounds + 1} rounds are finished.")
    if number is None:
        return chosen(history), facts
    if not 0 <= number < len(history):
        raise ValueError(
            f"`--round` must be a finished round, 0 to {len(history) - 1}. "
            f"Received: {number}."
        )
    return dataclasses.replace(history[number].trained, history=history), facts


def _with_recipe(
    ticket: FoundTicket, recipe: ModuleType, policy: str | None
) -> FoundTicket:
    """The ticket with the data of a recipe, and its model, made if it is needed."""
    plan = ticket.plan or Plan()
    make = model_of(recipe, plan, policy)
    binding = bindings.of_architecture(ticket.architecture)
    data = Given(binding, recipe.dataset).resolved(plan)
    origin = functools.partial(binding.called, make, plan.seed, None)
    return dataclasses.replace(ticket, data=data, origin=origin)


def _export_found(ticket: Ticket, path: Path, verbose: int) -> None:
    """Exports what a search found, unless it was exported before."""
    from tf_lottery.export.files import cards_of, sha256

    if path.exists():
        json_card, _ = cards_of(path)
        card = json.loads(json_card.read_text()) if json_card.exists() else {}
        same = card.get("masks") == ticket.masks.digest()[:16]
        stays = same and card["sha256"] == sha256(path)
        if verbose:
            what = "this ticket and is" if stays else "another ticket and is not"
            print(f"{path} holds {what} kept.")
        if stays:
            return
    ticket.export(path, overwrite=True, verbose=verbose)
