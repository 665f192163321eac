"""The tables of a search: its rounds, its controls, and the numbers of its figures."""

import dataclasses
from collections.abc import Callable, Iterable

from tf_lottery.core.history import History
from tf_lottery.report import tabular
from tf_lottery.report.frame import DENSE, TICKET, Frame, Line, Point, frame_of
from tf_lottery.report.tabular import BOTH, PAGE, TERMINAL, Cell, Column, Table, as_text
from tf_lottery.verdict import formats
from tf_lottery.verdict.difference import STEP, Difference
from tf_lottery.verdict.judge import RoundVerdict, Verdict


def table(history: History | Frame, width: int = 88) -> str:
    """The rounds as text; the chosen one is marked.

    With several replicates, a line has the means, and below them minimum to maximum, or
    for a gain its 95% interval. Controls have a table of their own. `width` is that of
    the terminal, in characters.
    """
    frame = frame_of(history)
    tables = [rounds(frame), *([controls(frame)] if frame.history.controls else [])]
    return "\n\n".join(as_text(each, width) for each in tables)


def unfinished(history: History) -> str:
    """A sentence on how much of a search is finished; empty if all is."""
    plan = history.plan
    done = sum(
        r.replicate < plan.replicates and plan.asks_for(r.number, r.control, r.draw)
        for r in history.trainings()
    )
    asked = plan.count()
    what = "trainings" if plan.replicates > 1 or plan.controls else "rounds"
    return f"{done} of {asked} {what} are finished." if done < asked else ""


def rounds(frame: Frame) -> Table:
    """The table of rounds, with the verdict on each."""
    history, verdict, score = frame.history, frame.verdict, frame.score
    is_tested = score != history.monitor
    where = BOTH if frame.is_repeated else PAGE  # one training has no interval
    validated = PAGE if is_tested else where
    gain = f"gain on\ndense{_unit(verdict.rounds, score)}"
    columns = [
        Column("round", lambda r: _number(r, verdict)),
        Column("density", lambda r: _density(r, verdict)),
        Column(history.monitor, lambda r: tabular.spread(r.score, history.monitor)),
        _pruned(gain, lambda r: tabular.gain(r.validation), validated),
    ]
    if is_tested:
        columns += [
            Column(score, lambda r: tabular.spread(r.test, score)),
            _pruned(gain, lambda r: _test_gain(r, score), where),
        ]
    columns.append(Column("best\nstep", lambda r: tabular.steps(r.best_step)))
    if _is_rewound(history):
        columns.append(_pruned("gain,\nsteps", lambda r: tabular.gain(r.steps), PAGE))
    columns += [
        _pruned("matches", lambda r: tabular.yes(r.matches), PAGE),
        _pruned("wins", _wins, PAGE),
    ]
    if len(history.replicates) > 1:
        wins_in = _pruned("wins\nin", lambda r: f"{r.wins_in}/{r.replicates}", TERMINAL)
        columns.append(wins_in)
    if not frame.is_repeated:
        seconds = [f"{round.outcome.seconds:.1f}" for round in history]
        columns.append(Column("seconds", lambda r: seconds[r.number], TERMINAL))
    return Table(columns, [(r,) for r in verdict.rounds], chosen=verdict.chosen)


def controls(frame: Frame) -> Table:
    """The table of controls: each kind of them in each round."""
    verdicts, score = frame.verdict.rounds, frame.score

    def gain(metric: str) -> Callable[[Line, Point], Cell]:
        return lambda line, point: tabular.gain(
            gain_over(verdicts[point.round], line.kind, metric)
        )

    columns = [
        Column("round", lambda _, point: point.round),
        Column("density", lambda _, p: formats.density(verdicts[p.round].density)),
        Column("control", lambda line, _: line.kind, is_text=True),
        Column("trainings", lambda _, point: len(point.trainings)),
        Column(score, lambda _, point: tabular.spread(point.spread(score), score)),
        Column(f"ticket's\ngain{_unit(verdicts, score)}", gain(score)),
        Column("best\nstep", lambda _, point: tabular.steps(point.spread(STEP))),
    ]
    if _is_rewound(frame.history):
        columns.append(Column("ticket's\ngain, steps", gain(STEP), PAGE))
    rows = [(e, p) for e, p in frame.places if e.kind not in (TICKET, DENSE)]
    return Table(columns, sorted(rows, key=lambda row: row[1].round), named_by=2)


def numbers(frame: Frame) -> Table:
    """The points of the figure of scores, as a table."""
    score = frame.score
    columns = [
        Column("line", lambda line, _: line.name, is_text=True),
        Column("round", lambda _, point: point.round),
        Column("density", lambda _, point: formats.density(point.density)),
        Column("trainings", lambda _, point: len(point.trainings)),
        Column(score, lambda _, point: tabular.spread(point.spread(score), score)),
        Column("best\nstep", lambda _, point: tabular.steps(point.spread(STEP))),
    ]
    return Table(columns, frame.places)


def layers(frame: Frame) -> Table:
    """The density of each layer in each round."""
    rounds = sorted({number for each in frame.layers.values() for number in each})

    def of(number: int) -> Column:
        return Column(str(number), lambda _, each: formats.density(each[number].mean))

    columns = [Column("layer", lambda layer, _: layer, is_text=True), *map(of, rounds)]
    return Table(columns, list(frame.layers.items()))


def gain_over(round: RoundVerdict, against: str, metric: str) -> Difference | None:
    """The difference of a round's tickets from dense or a control, if it is known."""
    found = (d for d in round.differences if (d.against, d.metric) == (against, metric))
    return next(found, None)


def _unit(rounds: Iterable[RoundVerdict], score: str) -> str:
    gains = (d for each in rounds for d in each.differences if d.metric == score)
    return formats.unit(gains)


def _is_rewound(history: History) -> bool:
    """Whether steps can be compared: training did not start from trained weights."""
    return history.plan.retrain == "rewind"


def _pruned(
    head: str, cell: Callable[[RoundVerdict], Cell | str], where: str
) -> Column:
    """A column in which the dense network has an empty cell."""
    return Column(head, lambda round: cell(round) if round.number else "", where)


def _number(round: RoundVerdict, verdict: Verdict) -> Cell:
    names = {verdict.chosen: ("the ticket",), 0: ("dense",)}
    return Cell(str(round.number), notes=names.get(round.number, ()))


def _density(round: RoundVerdict, verdict: Verdict) -> Cell:
    """With the number of replicates, where rounds differ in it."""
    is_uneven = len({each.replicates for each in verdict.rounds}) > 1
    count = f"{round.replicates} of {round.of}"
    return Cell(formats.density(round.density), notes=(count,) if is_uneven else ())


def _test_gain(round: RoundVerdict, score: str) -> Cell:
    cell = tabular.gain(gain_over(round, DENSE, score))
    notes = ("contradicts validation",) if round.contradicted else ()
    return dataclasses.replace(cell, notes=(*cell.notes, *notes))


def _wins(round: RoundVerdict) -> Cell:
    count = f"in {round.wins_in} of {round.replicates}"
    return Cell(tabular.yes(round.wins), notes=(count,) if round.of > 1 else ())
