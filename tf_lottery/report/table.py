"""The tables of a search: one line a round, and one a control of a round."""

import io
import re
from collections.abc import Iterator

import rich.box
import rich.console
import rich.table

from tf_lottery.core.history import History
from tf_lottery.core.words import printable
from tf_lottery.report import formats
from tf_lottery.report.frame import DENSE, TICKET, is_repeated, lines_of, score_name
from tf_lottery.verdict.difference import STEP, Difference
from tf_lottery.verdict.judge import RoundVerdict, judge
from tf_lottery.verdict.spread import Spread


def table(history: History, width: int = 88) -> str:
    """The rounds as text; the one that was chosen is marked.

    Over several replicates a line has the means, below them minimum to maximum, and
    below a gain its 95% interval. Controls have a table of their own.

    Args:
        history: `ticket.history`, or that of a run directory.
        width: Columns of the terminal.
    """
    if not is_repeated(history):
        return _text(_one_by_one(history), width)
    tables = [_rounds(history)]
    if history.controls:
        tables.append(_controls(history))
    return "\n".join(_text(each, width) for each in tables)


def unfinished(history: History) -> str:
    """What of a search is finished, if not all; a sentence."""
    plan = history.plan
    done = sum(
        r.replicate < plan.replicates and plan.asks_for(r.number, r.control, r.draw)
        for r in history.trainings()
    )
    asked = plan.count()
    what = "trainings" if plan.replicates > 1 or plan.controls else "rounds"
    return f"{done} of {asked} {what} are finished." if done < asked else ""


def gain_over(round: RoundVerdict, against: str, metric: str) -> Difference | None:
    """The difference of a round's tickets from dense or a control, if it is known."""
    found = (d for d in round.differences if (d.against, d.metric) == (against, metric))
    return next(found, None)


def _one_by_one(history: History) -> rich.table.Table:
    """The table of one replicate without controls: each number as it is."""
    chosen = judge(history).chosen
    columns = _columns(history)
    view = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    for name in columns:
        view.add_column(name, justify="right")
    view.add_column("")
    for row in history.rows():
        cells = [_cell(name, row.get(key)) for name, key in columns.items()]
        view.add_row(*cells, "<- ticket" if row["round"] == chosen else "")
    return view


def _rounds(history: History) -> rich.table.Table:
    verdict, score = judge(history), score_name(history)
    view = _view()
    tested = score != history.monitor
    several = len(history.replicates) > 1
    scores = [history.monitor, *([score] if tested else [])]
    gain = f"gain on\ndense{_unit(verdict.rounds, score)}"
    for name in ("round", "density", *scores, gain, "best\nstep"):
        view.add_column(name, justify="right")
    if several:
        view.add_column("wins\nin", justify="right")
    view.add_column("")
    for round in verdict.rounds:
        spreads = [round.validation.ours, *([round.test] if tested else [])]
        view.add_row(
            str(round.number),
            formats.density(round.density),
            *(_spread(spread) for spread in spreads),
            _gain(gain_over(round, DENSE, score)) if round.number else "",
            formats.step(round.best_step.mean),
            *([_wins(round)] if several else []),
            "<- ticket" if round.number == verdict.chosen else "",
        )
    return view


def _controls(history: History) -> rich.table.Table:
    rounds, score = judge(history).rounds, score_name(history)
    view = _view()
    gain = f"ticket's gain\non it{_unit(rounds, score)}"
    for name in ("round", "density", "control", "n", score, gain, "best\nstep"):
        view.add_column(name, justify="left" if name == "control" else "right")
    for number, kind, trained, step in control_rows(history):
        view.add_row(
            str(number),
            formats.density(rounds[number].density),
            kind,
            str(len(trained)) if trained else "0",
            _spread(trained),
            _gain(gain_over(rounds[number], kind, score)),
            formats.step(step.mean),
        )
    return view


def control_rows(
    history: History,
) -> Iterator[tuple[int, str, Spread | None, Spread]]:
    """Of each control, by round: its name, its scores and its best steps."""
    score = score_name(history)
    found = [
        (point.round, line.kind, point.spread(score), point.spread(STEP))
        for line in lines_of(history)
        if line.kind not in (TICKET, DENSE)
        for point in line.points
    ]
    for number, kind, scores, steps in sorted(found, key=lambda each: each[0]):
        assert steps  # every training has a best step
        yield number, kind, scores, steps


def _view() -> rich.table.Table:
    return rich.table.Table(
        box=rich.box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False
    )


def _text(view: rich.table.Table, width: int) -> str:
    text = io.StringIO()
    rich.console.Console(file=text, width=width).print(view)
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return printable("\n".join(lines))


def _unit(rounds: tuple[RoundVerdict, ...], score: str) -> str:
    gains = (d for round in rounds for d in round.differences if d.metric == score)
    return next((f",{unit}" for d in gains if (unit := formats.gain_unit(d))), "")


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    short = re.sub(r"(?<!\d)0\.", ".", formats.extremes(spread, ""))
    return f"{formats.score(spread.mean)}\n{short}".strip()


def _gain(difference: Difference | None) -> str:
    return "\n".join(formats.gain(difference)).strip() if difference else "-"


def _wins(round: RoundVerdict) -> str:
    return f"{round.wins_in}/{round.replicates}" if round.number else ""


def _columns(history: History) -> dict[str, str]:
    """Column heads to the keys of a row."""
    columns = {"round": "round", "density": "density"}
    columns |= {history.monitor: history.monitor}
    score = score_name(history)
    return columns | {score: score, "best step": "best_step", "seconds": "seconds"}


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name == "density":
        return f"{value:.1%}"
    if name == "seconds":
        return f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
