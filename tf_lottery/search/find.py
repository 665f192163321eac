"""`find_ticket`: a search from a Keras model to its winning ticket."""

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.checks import check_fraction
from tf_lottery.core.choices import name_of_control
from tf_lottery.core.history import History, Round
from tf_lottery.core.kept import keeping
from tf_lottery.core.one_argument import data_are_one_argument
from tf_lottery.core.plan import Plan
from tf_lottery.core.steps import Length
from tf_lottery.core.ticket import FoundTicket
from tf_lottery.core.words import warn
from tf_lottery.report.frame import Frame
from tf_lottery.report.write import PAGE
from tf_lottery.report.write import write as write_report
from tf_lottery.run_dir.cache import Cache
from tf_lottery.run_dir.manifest import manifest_of
from tf_lottery.run_dir.names import TICKET
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.controls import check_controls
from tf_lottery.search.leaving import Leaving, goes_on
from tf_lottery.search.progress import Progress
from tf_lottery.search.replicates import run_replicates
from tf_lottery.training.prepared import Callbacks
from tf_lottery.training.side_by_side import Together
from tf_lottery.training.trainer import Trainer
from tf_lottery.verdict.judge import judge
from tf_lottery.verdict.monitor import maximizes

# Entries of the manifest that may differ between workers.
_OF_ONE = ("devices", "machine", "first_batches")
_TEMPORARY = "temporary, pass `run_dir` to keep it"


@data_are_one_argument
def find_ticket(
    model: Any,
    dataset: Any,
    rounds: int = 15,
    *,
    epochs: int = 1,
    steps: int | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    validation_data: Any = None,
    test_data: Any = None,
    class_weight: Mapping[int, float] | None = None,
    validation_split: float | None = None,
    evaluate_every: int | None = None,
    pruning_rate: float = 0.2,
    layer_rates: Mapping[str, float] | None = None,
    scope: str = "layerwise",
    criterion: str | Callable[..., Any] = "magnitude",
    block_size: tuple[int, int] = (1, 1),
    rewind_to: Length = 0,
    retrain: str = "rewind",
    together: str | int = "auto",
    seed: int = 0,
    monitor: str | None = None,
    mode: str = "auto",
    tolerance: float = 0.0,
    controls: Sequence[str | Callable[..., Any]] = (),
    control_rounds: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    control_replicates: int = 1,
    replicates: int = 1,
    run_dir: PathLike | None = None,
    share_with: PathLike | None = None,
    overwrite: bool = False,
    callbacks: Callbacks = (),
    allow_early_stop: bool = False,
    strategy: Any = None,
    verbose: int = 1,
) -> FoundTicket:
    """Finds a winning ticket: a sparse network that trains as well as the dense one.

    Trains, prunes the smallest weights, rewinds the survivors to their initial
    values, and repeats. `model` is never changed.

    Args:
        model: A compiled Keras 3 model, a compiled Sequential or functional tf_keras
            model, or a function without arguments that returns one; it is called under
            the seed.
        dataset: The data of Keras `fit`, in one argument: a batched
            `tf.data.Dataset`; arrays `(x, y[, sample_weight])`, or x alone if the
            model has its own loss; a `keras.utils.PyDataset` or `Sequence`; a PyTorch
            `DataLoader`. Arrays and the batches of a PyDataset are shuffled by seed and
            epoch, equally in every round. Or a
            function of the seed that returns one of these, a generator or a
            `tf_lottery.Data`.
        rounds: How many times weights are pruned; `rounds + 1` networks are
            trained.
        epochs, steps_per_epoch, batch_size, class_weight: As in Keras `fit`.
        steps: The length of a training in optimizer steps, instead of `epochs`.
        validation_data: As in Keras `fit`. Its score decides. Without it the score
            on the training data decides, and no ticket can win.
        test_data: Evaluated once per training, with the weights of minimum validation
            loss and with the final weights. It never decides.
        validation_split: As in Keras `fit`, in place of `validation_data`.
        evaluate_every: Steps between validation passes. Default: at the end of each
            epoch.
        pruning_rate, layer_rates, scope, criterion, block_size, rewind_to, retrain,
            together, seed, monitor, mode, tolerance, controls, control_rounds,
            control_replicates, replicates: See `tf_lottery.Plan`.
        run_dir: The directory of the search. After a stop, the same call continues
            from it. None: a temporary directory.
        share_with: A directory where searches share their finished trainings: equal
            trainings are done once. Of datasets only the element spec is compared: give
            searches on other data another directory. If a training cannot be compared
            safely, it is not shared and a warning says why, see docs/controls.md.
        overwrite: Whether to remove the search in `run_dir` and start again.
        callbacks: Keras callbacks, or a function `(round, replicate, control)` that
            returns them. To a callback, each training is one `fit`.
        allow_early_stop: Whether a callback may end a training early.
        strategy: A `tf.distribute.Strategy`, "mirrored", "multiworker" or "tpu".
            Default: the one under which the model was built. Batches are split among
            its replicas; see docs/distribution.md.
        verbose: 0 prints nothing, 1 bars and lines, 2 lines.

    Returns:
        The sparsest winning ticket; if none won, the sparsest whose score matches the
        dense network's; if none matches, the best pruned one. `ticket.won` says whether
        it won; if it did not, a warning says why. With replicates, means decide on the
        round, and the ticket is of the replicate with the best validation score.

    Raises:
        TypeError, ValueError: An argument cannot work; raised before training.
        PlanMismatchError: `run_dir` holds another search.
        FloatingPointError: A loss or the monitored score became NaN or infinite.
        RuntimeError: The data, the criterion or a callback failed in a round.
        KeyboardInterrupt: Ctrl-C; a line says how to continue. SIGTERM and SIGHUP end
            the process in the same way, unless it has its own handlers for them.

    Example:
        ```python
        ticket = tf_lottery.find_ticket(
            model, (x, y), rounds=5, epochs=3, validation_data=(x_val, y_val)
        )
        ticket.model().fit(x, y)  # pruned weights stay zero
        ```

    Reference: Frankle & Carbin, arXiv 1803.03635, strategy 1.
    """
    plan = Plan.of(locals())
    with Leaving(goes_on("find_ticket", run_dir)):
        trainer = Trainer(
            model,
            dataset,
            plan,
            validation_data=validation_data,
            test_data=test_data,
            class_weight=class_weight,
            validation_split=validation_split,
            callbacks=callbacks,
            allow_early_stop=allow_early_stop,
            strategy=strategy,
        )
        ticket = search(
            trainer,
            run_dir=run_dir,
            share_with=share_with,
            overwrite=overwrite,
            verbose=verbose,
        )
    if not trainer.workers.is_chief:
        return ticket
    if not ticket.won:
        warn(ticket.reason)
    elif verbose:
        print(ticket.reason)
    if run_dir:
        _report(ticket, Path(run_dir), verbose)
    return ticket


@data_are_one_argument
def one_shot(
    model: Any, dataset: Any, sparsity: float = 0.8, **arguments: Any
) -> FoundTicket:
    """Finds a ticket in one round: trains, prunes once, rewinds and trains again.

    Args:
        model, dataset: See `find_ticket`.
        sparsity: The fraction of the weights to remove.
        **arguments: The arguments of `find_ticket`, except `rounds` and
            `pruning_rate`.
    """
    check_fraction("sparsity", sparsity)
    with Leaving(goes_on("one_shot", arguments.get("run_dir"))):
        return find_ticket(model, dataset, 1, pruning_rate=sparsity, **arguments)


def search(
    trainer: Trainer,
    *,
    run_dir: PathLike | None = None,
    share_with: PathLike | None = None,
    overwrite: bool = False,
    verbose: int = 1,
    above: str = "",
    name: str = "",
    lanes: int | None = None,
    **more: Any,
) -> FoundTicket:
    """Runs or continues the search of a trainer, and returns its ticket.

    Like `find_ticket`, for a trainer that is there already; it prints no verdict. Of
    several workers the chief alone decides and writes; the others get the ticket as its
    file holds it, without the history. `above` is a text above the bars, `name` begins
    each line. A search that is a task of `SideBySide.run` trains one ticket at a time
    in a program of so many `lanes`. `more` is for `plan.json`: the path of the recipe,
    and the options of the command.
    """
    workers, plan = trainer.workers, trainer.plan
    monitor = plan.monitor or trainer.monitors[0]
    manifest = manifest_of(
        plan,
        **trainer.facts,
        monitor=monitor,
        maximize=maximizes(monitor, plan),
        **more,
    )
    with Leaving(goes_on("search", run_dir)), keeping(run_dir), workers.together():
        workers.check_same({k: v for k, v in manifest.items() if k not in _OF_ONE})
        if not workers.is_chief:
            return _received(trainer.follow())
        cache = None if share_with is None else Cache(share_with)
        of = trainer.lengths.last, trainer.lengths.rewind, above, name
        progress = Progress(verbose, plan, *of)
        temporary = None if run_dir else tempfile.TemporaryDirectory("_tf_lottery")
        directory = RunDir(temporary.name if temporary else str(run_dir), temporary)
        check_controls(trainer)
        together = Together(1)
        if lanes is None:
            stored = None if overwrite else directory.together()
            together = trainer.side_by_side.chosen(stored, share_with is not None)
        number = lanes or together.number
        manifest["together"] = number
        manifest["devices"] = trainer.side_by_side.devices_in_words(number)
        with directory.open(manifest, overwrite=overwrite):
            _introduce(trainer, progress, cache)
            where = str(directory.path) if run_dir else _TEMPORARY
            progress.begin(plan.count() - directory.left(plan), where)
            if together.why:
                progress.say(together.why)
            trainings = []
            own = directory, progress, manifest, cache, together.number, lanes or 1
            for training in run_replicates(trainer, *own):
                progress.line(training, monitor)
                trainings.append(training)
            history = collected(trainings, plan, monitor, manifest["maximize"])
            ticket = chosen(history)
            ticket.save(directory.path / TICKET, overwrite=True)
        ticket = trainer.completed(ticket)
        if workers.count > 1:
            workers.end((directory.path / TICKET).read_bytes())
        return ticket


def collected(
    trainings: Sequence[Round], plan: Plan, monitor: str, maximize: bool
) -> History:
    """The history of what `run_replicates` yielded."""
    rounds = [
        tuple(r for r in trainings if r.replicate == number and r.control is None)
        for number in range(plan.replicates)
    ]
    names = [name_of_control(control) for control in plan.controls]
    controls = sorted(
        (r for r in trainings if r.control is not None),
        key=lambda r: (r.replicate, r.number, names.index(r.control or ""), r.draw),
    )
    return History(tuple(rounds), plan, monitor, maximize, tuple(controls))


def _report(ticket: FoundTicket, run_dir: Path, verbose: int) -> None:
    """Writes the report of a search into its run directory, and says where it is."""
    assert ticket.history is not None
    facts = RunDir(str(run_dir)).manifest()
    missing = write_report(Frame(ticket.history), run_dir, facts)
    if verbose:
        print(missing or f"The report: {run_dir / PAGE}")


def _received(content: bytes) -> FoundTicket:
    """The ticket of a file's bytes, in memory."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / TICKET
        path.write_bytes(content)
        ticket = FoundTicket.load(path)
        outcome = ticket.outcome
        weights, best = dict(outcome.weights), dict(outcome.best_weights)
        outcome = dataclasses.replace(outcome, weights=weights, best_weights=best)
        return dataclasses.replace(ticket, state=dict(ticket.state), outcome=outcome)


def chosen(history: History) -> FoundTicket:
    """The ticket that a search returns, with what the search found out about it."""
    verdict = judge(history)
    round = history.replicates[verdict.replicate][verdict.chosen]
    return dataclasses.replace(
        round.trained,
        history=history,
        rows=tuple(history.rows()),
        won=verdict.won,
        reason=verdict.reason,
        monitor=history.monitor,
    )


def _introduce(trainer: Trainer, progress: Progress, cache: Cache | None) -> None:
    """Says what the search will do, and what it will not."""
    for note in trainer.notes.plain:
        progress.say(note)
    for warning in trainer.notes.warnings:
        warn(warning)
    unknown = trainer.facts["unknown"]
    if cache and unknown:
        warn(
            "Nothing is shared with other searches, as this cannot be compared with "
            f"theirs: {unknown}."
        )
