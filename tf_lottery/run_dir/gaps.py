"""Trainings that are missing although later ones that follow from them are there."""

from pathlib import Path

from tf_lottery.core.plan import Plan
from tf_lottery.run_dir.names import (
    CONTROLS,
    METRICS,
    PLAN,
    TICKET,
    Place,
    is_trained,
    numbered,
)
from tf_lottery.run_dir.replicate_dir import ReplicateDir
from tf_lottery.run_dir.run_dir import RunDir


def gaps(run_dir: RunDir, plan: Plan) -> list[str]:
    """For each replicate with a gap, a sentence about its first missing training.

    The last trainings are looked at first: a search that runs meanwhile finishes them
    last, and so is not taken for one with a gap.
    """
    found = run_dir.settled(lambda: _gaps(run_dir, plan))
    return found if (run_dir.path / PLAN).exists() else []  # it is being removed


def _gaps(run_dir: RunDir, plan: Plan) -> list[str]:
    found: list[str] = []
    is_followed = False
    for number, path in reversed(numbered(run_dir.path, "replicate").items()):
        if number < plan.replicates:
            replicate_dir = run_dir.replicate_dir(number)
            last = _last_round(replicate_dir)
            if missing := _first_missing(replicate_dir, last):
                found.insert(0, _sentence(missing, path, last))
            is_followed = is_followed or last >= 0
    first = run_dir.replicate_dir(0)
    if is_followed and not first.path.is_dir():
        found.insert(0, f"{first.path} is missing. The same call trains it again.")
    return found


def _last_round(directory: ReplicateDir) -> int:
    """The last round that is finished or has a finished control; -1 if none is."""
    rounds = numbered(directory.path, "round")
    # The last one first, see `gaps`.
    finished = [n for n in reversed(rounds) if directory.has_outcome(Place(n))]
    for path in directory.path.glob(f"{CONTROLS}/*"):
        for number, controlled in numbered(path, "round").items():
            draws = numbered(controlled, "draw").values()
            if any((draw / METRICS).exists() for draw in draws):
                finished.append(number)
    return max(finished, default=-1)


def _first_missing(directory: ReplicateDir, last: int) -> Path | None:
    places = map(Place, range(last + 1))
    missing = (place for place in places if not directory.has_outcome(place))
    return next(map(directory.directory, missing), None)


def _sentence(missing: Path, replicate: Path, last: int) -> str:
    there = f"{replicate.name} has finished trainings up to round {last}"
    what = "is not finished" if missing.is_dir() else "is missing"
    said = f"{missing} {what}, although {there}: what follows from it is not shown."
    first = replicate / "round_00"
    if not (first / TICKET).exists() and is_trained(replicate):
        return (
            f"{said} Its rounds were trained from the initial weights in "
            f"{first / TICKET}: put that file back, or start again with "
            "`overwrite=True` (`--overwrite`)."
        )
    return (
        f"{said} The same call trains it again. If that gives the same weights, as it "
        "does on a CPU, the later trainings stay; else the call says what to remove."
    )
