"""Instability: how much the order of the data decides where training ends.

Copies of a network are trained from one step on, each with its data in another
order. If the error stays as low on the straight line between their weights as at
its ends, they are in one linearly connected minimum, and the network was stable at
that step. Tickets match the dense network where they are (arXiv 1912.05671).
"""

import dataclasses
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tf_lottery.core.archive import PathLike
from tf_lottery.core.checks import check_count, is_number
from tf_lottery.core.kept import keeping
from tf_lottery.core.outcome import Outcome, Weights
from tf_lottery.core.steps import Length, check_length, to_steps
from tf_lottery.core.ticket import Ticket
from tf_lottery.run_dir.keys import Keys
from tf_lottery.run_dir.manifest import manifest_of
from tf_lottery.run_dir.replicate_dir import ReplicateDir
from tf_lottery.run_dir.writable import locked
from tf_lottery.search.progress import Progress
from tf_lottery.search.recorded import Recorded
from tf_lottery.training.trainer import Trainer
from tf_lottery.verdict.monitor import gives_fractions, maximizes

STABLE = 0.02


@dataclass(frozen=True, repr=False)
class Instability:
    """The errors between copies of a network.

    Attributes:
        step: From where the copies were trained apart.
        metric: What the errors are of: 1 minus an accuracy, or a loss.
        alphas: Positions on the lines, 0 to 1.
        errors: Per pair of copies, the errors on the line between them.
    """

    step: int
    metric: str
    alphas: tuple[float, ...]
    errors: tuple[tuple[float, ...], ...]

    def __repr__(self) -> str:
        return (
            f"<Instability from step {self.step:,}: {self.value:.4g} ({self.metric})>"
        )

    @property
    def values(self) -> tuple[float, ...]:
        """Per pair of copies: the highest error minus the mean error at the ends."""
        return tuple(max(line) - (line[0] + line[-1]) / 2 for line in self.errors)

    @property
    def value(self) -> float:
        """The mean over all pairs of copies."""
        return float(np.mean(self.values))

    def is_stable(self, threshold: float | None = None) -> bool:
        """Whether it is below a threshold, by default the paper's 2 percent.

        Raises:
            ValueError: The metric is a loss, which has no default.
        """
        return self.value < checked_threshold(threshold, self.metric)


def checked_threshold(threshold: float | None, metric: str) -> float:
    """The threshold, by default the paper's where the metric is a fraction."""
    if threshold is not None and not is_number(threshold):
        raise TypeError(
            "`threshold` must be a number; for accuracies it is a fraction. "
            f"Received: threshold={threshold!r}."
        )
    if threshold is None and not gives_fractions(metric):
        raise ValueError(
            f"The instability of {metric!r} is not a fraction, and `threshold` has no "
            "default. Pass one, or monitor an accuracy."
        )
    return STABLE if threshold is None else threshold


def instability(
    trainer: Trainer,
    ticket: Ticket,
    k: Length = 0,
    *,
    copies: int = 2,
    points: int = 30,
    run_dir: PathLike | None = None,
    verbose: int = 1,
) -> Instability:
    """Trains copies of a ticket from step k in other orders of the data.

    Errors are those on the validation data. Statistics of normalisation layers are
    interpolated as weights are.

    Args:
        trainer: What trains; its data must come in another order for another seed:
            arrays, a function of the seed with a fixed split, or a dataset that
            shuffles.
        ticket: What is trained; `trainer.dense()` is the whole network.
        k: The step from where the copies differ; up to there they are one.
        copies: How many; each two of them are compared.
        points: How many weights on the line between two copies are evaluated, both
            ends among them.
        run_dir: Where the copies are kept: no copy is trained twice, if trainings can
            be compared safely (see `share_with` of `find_ticket`).
        verbose: As in `find_ticket`.

    Raises:
        ValueError: No validation data, a step outside the training, or equal copies,
            as the order of the data does not change.

    Reference: Frankle et al., "Linear Mode Connectivity and the Lottery Ticket
    Hypothesis", arXiv 1912.05671, sections 2 and 3.
    """
    step = check(trainer, ticket, k, copies, points)
    start = dataclasses.replace(ticket, step=step, state=trainer.state_at(ticket, step))
    lasting = None if trainer.facts["unknown"] else run_dir
    with keeping(lasting), tempfile.TemporaryDirectory("_tf_lottery") as temporary:
        root = Path(lasting or temporary) / "copies"
        root.mkdir(parents=True, exist_ok=True)
        with locked(root):  # weights are read from it when they are needed
            trained = [
                _trained(*trainer.reordered(number, start), root, verbose).weights
                for number in range(copies)
            ]
            alphas = np.linspace(0, 1, points)
            errors = [
                _errors(trainer, ticket, *pair, alphas)
                for pair in itertools.combinations(trained, 2)
            ]
    return Instability(step, _metric(trainer), tuple(alphas.tolist()), tuple(errors))


def check(trainer: Trainer, ticket: Ticket, k: Length, copies: int, points: int) -> int:
    """The step of `k`; raises where its instability cannot be measured."""
    if not isinstance(trainer, Trainer) or not isinstance(ticket, Ticket):
        raise TypeError(
            "`instability` takes a `tf_lottery.Trainer` and a ticket, such as "
            "`trainer.dense()`. Received: "
            f"{type(trainer).__name__} and {type(ticket).__name__}."
        )
    check_length("k", k)
    for name, value in {"copies": copies, "points": points}.items():
        check_count(name, value)
        if value == 1:
            raise ValueError(f"`{name}` must be at least 2. Received: {name}=1.")
    step = to_steps(k, trainer.lengths.per_epoch)
    if not ticket.step <= step < trainer.lengths.last:
        raise ValueError(
            f"`k` must be a step from {ticket.step:,}, where the ticket starts, to "
            f"before {trainer.lengths.last:,}, where training ends. Received: k={k!r}."
        )
    if trainer.workers.count > 1:
        raise ValueError(
            "Instability is measured in one process. Received: a trainer with "
            f"{trainer.workers.count} workers."
        )
    if not _metric(trainer).startswith("val_"):
        raise ValueError(
            "Instability is measured on validation data. Received: none. Pass "
            "`validation_data` to the Trainer."
        )
    return step


def _trained(trainer: Trainer, copy: Ticket, root: Path, verbose: int) -> Outcome:
    """The outcome of a copy, from its directory if an earlier call has trained it."""
    keys = Keys(manifest_of(trainer.plan, **trainer.facts))
    key = keys.key(copy, trainer.plan)
    replicate_dir = ReplicateDir(root / key[:16], search=key)
    progress = Progress(verbose, trainer.plan, trainer.lengths.last)
    return Recorded(trainer, replicate_dir, progress, keys).train(copy, control="copy")


def _errors(
    trainer: Trainer,
    ticket: Ticket,
    first: Weights,
    second: Weights,
    alphas: NDArray[np.floating],
) -> tuple[float, ...]:
    """The errors on the line between two copies."""
    if all(np.array_equal(first[name], second[name]) for name in first):
        raise ValueError(
            "The copies must be trained with data in different orders. Received: data "
            "that come in one order. Pass arrays, a function of the seed, or a dataset "
            "that shuffles."
        )
    line = (_between(first, second, alpha) for alpha in alphas)
    return tuple(_error(trainer, ticket, weights) for weights in line)


def _between(first: Weights, second: Weights, alpha: float) -> Weights:
    return {
        name: ((1 - alpha) * first[name] + alpha * second[name]).astype(
            first[name].dtype
        )
        for name in first
    }


def _metric(trainer: Trainer) -> str:
    return trainer.plan.monitor or trainer.monitors[0]


def _error(trainer: Trainer, ticket: Ticket, weights: Weights) -> float:
    metric = _metric(trainer)
    value = trainer.evaluate(ticket, weights)[metric]
    if not maximizes(metric, trainer.plan):
        return value
    return 1 - value if gives_fractions(metric) else -value
