"""Where to rewind to: the first step at which the ticket is stable.

Deeper networks have no winning ticket at step 0, and have one a little later
(arXiv 1903.01611): from the step on at which the order of the data no longer decides
where training ends (arXiv 1912.05671).
"""

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.kept import keeping
from tf_lottery.core.one_argument import data_are_one_argument
from tf_lottery.core.plan import Plan
from tf_lottery.core.steps import Length, check_length, to_steps
from tf_lottery.search.find import search
from tf_lottery.search.progress import Progress
from tf_lottery.studies.instability import (
    Instability,
    check,
    checked_threshold,
    instability,
)
from tf_lottery.training.trainer import Trainer
from tf_lottery.verdict.monitor import gives_fractions

# What the study chooses itself, or does not use.
_NOT_PLAIN = {
    *("replicates", "controls", "control_rounds", "control_replicates"),
    *("rewind_to", "retrain"),
}
# Of the last step: where 1903.01611 and 1912.05671 find tickets, and before.
_FRACTIONS = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.07)


@dataclass(frozen=True, repr=False)
class RewindPoint:
    """The result of `find_rewind_point`.

    Attributes:
        step: The first step at which the ticket is stable; None if it never is.
        tried: The instability at each step that was tried.
        density: Of the tickets that were tried.
        trainings: How many trainings were done, for the searches and the copies.
        steps: The sum of their optimizer steps.
        seconds: The time of the whole study.
        reason: All of it in words.
    """

    step: int | None
    tried: tuple[Instability, ...]
    density: float
    trainings: int
    steps: int
    seconds: float
    reason: str

    def __repr__(self) -> str:
        return f"<RewindPoint: {self.reason}>"


@data_are_one_argument
def find_rewind_point(
    model: Any,
    dataset: Any,
    rounds: int = 1,
    *,
    candidates: Sequence[Length] | None = None,
    threshold: float | None = None,
    copies: int = 2,
    points: int = 30,
    run_dir: PathLike | None = None,
    validation_data: Any = None,
    strategy: Any = None,
    callbacks: Any = (),
    verbose: int = 1,
    **plan: Any,
) -> RewindPoint:
    """Finds the first step from which a ticket is stable, for `rewind_to`.

    At each candidate a search with that `rewind_to` finds a ticket, and copies of it
    are trained: `rounds` trainings and `copies` more. On a CPU, with data as arrays or
    as a function of the seed, the dense network is trained once, and only its first
    steps are repeated per candidate; otherwise it is trained for each candidate.

    Args:
        model, dataset, validation_data, strategy, callbacks: As in `find_ticket`.
        rounds: Of each search; the ticket of the last one is tried. With 1, the
            default, choose a high `pruning_rate`: it is one-shot pruning.
        candidates: Steps to try, in order; default: 0 to 7 percent of a training.
        threshold: The instability below which a ticket is stable; default: 0.02, where
            an accuracy is monitored.
        copies, points: See `instability`.
        run_dir: Where searches and copies are kept, and from where the same call
            continues.
        verbose: As in `find_ticket`.
        **plan: The other fields of `Plan`.

    Example:
        ```python
        point = find_rewind_point(
            model, (x, y), pruning_rate=0.8, epochs=10, validation_data=(x_val, y_val)
        )
        if point.step is not None:
            ticket = find_ticket(model, (x, y), rewind_to=point.step, epochs=10)
        ```

    Reference: Frankle et al., arXiv 1912.05671, section 4.
    """
    started = time.monotonic()
    fields = {field.name for field in dataclasses.fields(Plan)} - _NOT_PLAIN
    if others := sorted(plan.keys() - fields):
        raise ValueError(
            "`find_rewind_point` runs a plain search for each candidate. "
            f"Received: {', '.join(others)}. Leave that out."
        )
    base = Plan(rounds=rounds, **plan)
    more = {"callbacks": callbacks, "strategy": strategy}
    trainer = Trainer(model, dataset, base, validation_data=validation_data, **more)
    steps = _steps(trainer, candidates)
    for step in steps:
        check(trainer, trainer.dense(), step, copies, points)
    threshold = checked_threshold(threshold, base.monitor or trainer.monitors[0])
    tried: list[Instability] = []
    progress = Progress(verbose, base, trainer.lengths.last)
    with keeping(run_dir), tempfile.TemporaryDirectory("_tf_lottery") as temporary:
        root = Path(run_dir or temporary)
        how = {"copies": copies, "points": points, "verbose": verbose}
        for step in steps:
            own = trainer.with_plan(dataclasses.replace(base, rewind_to=step))
            path = root / f"rewind_to_{step}"
            ticket = search(own, run_dir=path, share_with=root, verbose=verbose)
            assert ticket.history is not None
            last = ticket.history[-1].ticket
            found = instability(own, last, step, run_dir=root, **how)
            tried.append(found)
            progress.say(f"Step {step:,}: instability {_shown(found, found.value)}.")
            if found.is_stable(threshold):
                break
    seconds = time.monotonic() - started
    return _point(trainer.spent, tried, last.density, threshold, seconds)


def _steps(trainer: Trainer, candidates: Sequence[Length] | None) -> list[int]:
    if not isinstance(candidates, Sequence | type(None)) or isinstance(candidates, str):
        raise TypeError(
            "`candidates` must be a list of steps. "
            f"Received: candidates={candidates!r}."
        )
    if candidates is None:
        candidates = [round(fraction * trainer.lengths.last) for fraction in _FRACTIONS]
    for each in candidates:
        check_length("candidates", each)
    steps = [to_steps(each, trainer.lengths.per_epoch) for each in candidates]
    if not steps or max(steps) >= trainer.lengths.last:
        raise ValueError(
            "`candidates` must be steps before the last of a training, "
            f"{trainer.lengths.last:,}. Received: {list(candidates)!r}."
        )
    return sorted(set(steps))


def _point(
    cost: Sequence[int],
    tried: Sequence[Instability],
    density: float,
    threshold: float,
    seconds: float,
) -> RewindPoint:
    last = tried[-1]
    step = last.step if last.is_stable(threshold) else None
    found = (
        f"`rewind_to={step}`: the first step of {len(tried)} tried at which the ticket "
        "is stable"
        if step is not None
        else f"No step up to {last.step:,} was stable: rewind later, or train slower"
    )
    reason = (
        f"{found} (instability {_shown(last, last.value)}, threshold "
        f"{_shown(last, threshold)}, density {density:.1%}). It took {len(cost)} "
        f"trainings of {sum(cost):,} steps in total, {seconds:,.0f} s."
    )
    return RewindPoint(
        step, tuple(tried), density, len(cost), sum(cost), seconds, reason
    )


def _shown(found: Instability, value: float) -> str:
    return f"{100 * value:.3g}%" if gives_fractions(found.metric) else f"{value:.3g}"
