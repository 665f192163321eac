"""The search in TensorBoard: one run per training, named as in the run directory.

`replicate_0` has one scalar per round, at the number of the round;
`replicate_0/round_03` and `replicate_0/controls/reinit/round_03/draw_0` have learning
curves, by optimizer step, and hyperparameters with their results. TensorBoard's own
`RecordWriter` writes the files, which needs no TensorFlow (see docs/inside.md).
"""

import json
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike, atomic
from tf_lottery.core.history import History, Round
from tf_lottery.core.packages import install
from tf_lottery.verdict.difference import STEP, score_name

# TensorBoard reads any file whose name contains "tfevents". With one fixed name,
# writing again replaces the file.
_FILE = "events.out.tfevents.tf_lottery"
# The tags of results start with it: curves may have the same names.
_RESULT = "outcome"


def to_tensorboard(history: History, log_dir: PathLike) -> None:
    """Writes scalars, learning curves and hyperparameters for TensorBoard.

    `tensorboard --logdir LOG_DIR` shows them.
    """
    try:
        from tensorboard.plugins.hparams import summary_v2 as hparams
    except ImportError as error:
        how = install("tensorboard")
        raise ImportError(f"Event files need TensorBoard. {how}") from error
    path, trainings = Path(log_dir), history.trainings()
    names = {name for round in trainings for name in _parameters(history, round)}
    shown = dict.fromkeys((score_name(history), history.monitor, STEP))
    config = hparams.hparams_config_pb(
        [hparams.HParam(name) for name in sorted(names)],
        [hparams.Metric(f"{_RESULT}/{name}") for name in shown],
    )
    _write(path, [config])
    runs: dict[str, list[Round]] = {}  # each replicate, and each draw of its controls
    for round in trainings:
        runs.setdefault(_path(round), []).append(round)
    for run, rounds in runs.items():
        _write(path / run, [], _by_round(rounds))
    for round in trainings:
        run = _path(round, f"round_{round.number:02d}/")
        start = hparams.hparams_pb(_parameters(history, round), trial_id=run)
        _write(path / run, [start], _by_step(round))


def _path(round: Round, number: str = "") -> str:
    """The path as in a run directory; without a number, that of all its rounds."""
    name = f"replicate_{round.replicate}/{number}"
    if round.control is not None:
        name = f"replicate_{round.replicate}/controls/{round.control}/{number}"
        name += f"draw_{round.draw}"
    return name.rstrip("/")


def _by_round(rounds: Iterable[Round]) -> Iterator[tuple[int, str, float]]:
    for round in rounds:
        for name, value in _results(round).items():
            yield round.number, f"round/{name}", value


def _by_step(round: Round) -> Iterator[tuple[int, str, float]]:
    curves = round.outcome.curves
    for name in (name for name in curves if name != "step"):
        for step, value in zip(curves["step"], curves[name], strict=True):
            yield int(step), name, value
    for name, value in _results(round).items():
        yield round.outcome.best_step, f"{_RESULT}/{name}", value


def _results(round: Round) -> dict[str, float]:
    return {
        "density": round.ticket.density,
        STEP: float(round.outcome.best_step),
        **round.outcome.metrics,
        "seconds": round.outcome.seconds,
    }


def _parameters(history: History, round: Round) -> dict[str, Any]:
    """The plan, and the place of a training in it; None is left out."""
    plan = history.plan.to_json() | {
        "seed": history.plan.of_replicate(round.replicate).seed,
        "replicate": round.replicate,
        "round": round.number,
        "density": round.ticket.density,
        "control": round.control or "none",
        "draw": round.draw,
    }
    plain = (bool, int, float, str)
    return {
        name: value if isinstance(value, plain) else json.dumps(value)
        for name, value in plan.items()
        if value is not None
    }


def _write(
    path: Path, summaries: Iterable[Any], scalars: Iterable[tuple[int, str, Any]] = ()
) -> None:
    """Writes the event file of a run."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    now = time.time()
    events = [Event(wall_time=now, file_version="brain.Event:2")]
    events += [Event(wall_time=now, summary=summary) for summary in summaries]
    for step, tag, value in scalars:
        number = math.nan if value is None else float(value)
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=number)])
        events.append(Event(wall_time=now, step=step, summary=summary))
    with atomic(path / _FILE) as temporary, open(temporary, "wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString())
