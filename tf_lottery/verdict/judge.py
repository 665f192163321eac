"""Whether a ticket wins by the paper's definition, and what its figures say.

A ticket matches when its validation score is within the tolerance of the dense
network's. It wins when also its step of minimum validation loss is not later, it
keeps at most half of the weights, and it was rewound. With several replicates the
means are judged, as in the paper's plots. Test figures never decide; the claims
against the dense network and the controls rest on them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tf_lottery.core import html
from tf_lottery.core.history import History, Round
from tf_lottery.verdict import formats, wording
from tf_lottery.verdict.difference import Difference, against_dense, differences, known
from tf_lottery.verdict.monitor import test_name
from tf_lottery.verdict.spread import Spread

MAX_DENSITY = 0.5
_EPSILON = 2.0**-22  # of float32, twice: a quotient is rounded, and a difference


@dataclass(frozen=True)
class RoundVerdict:
    """What is known about the tickets of one round.

    Attributes:
        number: The number of the round; 0 is dense.
        density: The fraction of the weights that its tickets keep, on average.
        model_density: The fraction of all parameters of the model, where those that
            cannot be pruned are kept.
        replicates: How many replicates have this round; only these are judged.
        of: How many replicates there are.
        validation: The monitored score against the dense network's.
        steps: The step of minimum validation loss against the dense network's.
        test: The test figure; None without test data.
        differences: From the dense network and from each control, in the test
            figure (without test data: the monitored score) and in "best_step".
        matches: Whether the mean score is within the tolerance.
        wins: Whether it matches, is not later, keeps at most half of the weights and
            was rewound.
        wins_in: In how many replicates the ticket wins by itself.
        contradicted: Whether it matches by validation, but on test data the whole
            interval of its gain is a loss larger than the tolerance.
        rewound: Whether its training started from early weights of the dense
            network, as in the paper, and not from trained weights.
        too_short: Whether validation loss was lowest at the last step of every
            training, the dense network's included: which is earlier is not known.
        passes: The largest number of validation passes of a training.
    """

    number: int
    density: float
    model_density: float
    replicates: int
    of: int
    validation: Difference
    steps: Difference
    test: Spread | None
    differences: tuple[Difference, ...]
    matches: bool
    wins: bool
    wins_in: int
    contradicted: bool
    rewound: bool
    too_short: bool
    passes: int

    @property
    def score(self) -> Spread:
        """The monitored score, at minimum validation loss."""
        return self.validation.ours

    @property
    def best_step(self) -> Spread:
        """The step of minimum validation loss."""
        return self.steps.ours

    def sentence(self) -> str:
        """What the figures say against the dense network and each control."""
        return wording.claims(self)

    def record(self) -> dict[str, Any]:
        """Every number, as plain Python values."""
        values = {"round": self.number, **vars(self)}
        del values["number"]
        return values | {
            "validation": self.validation.record(),
            "steps": self.steps.record(),
            "test": self.test.record() if self.test else None,
            "differences": [each.record() for each in self.differences],
            "sentence": self.sentence(),
        }


@dataclass(frozen=True, repr=False)
class Verdict:
    """The judgement of a search.

    Attributes:
        rounds: Each round, from the dense one on.
        chosen: The round whose ticket is returned: the sparsest winner, else the
            sparsest match, else the best pruned round. Rounds that some
            replicates lack are not considered.
        replicate: The replicate whose ticket of that round has the best score.
        won: Whether the chosen round wins.
        reason: Why, in words, and what the test figures say about it.
    """

    rounds: tuple[RoundVerdict, ...]
    chosen: int
    replicate: int
    won: bool
    reason: str

    def __repr__(self) -> str:
        return f"<Verdict: {self.reason}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the reason, and what is known about each round."""
        rows = [
            (
                f"{each.number}",
                formats.density(each.density),
                formats.score(each.score.mean),
                formats.step(each.best_step.mean),
                formats.score(each.test.mean) if each.test else "",
                "wins" if each.wins else "matches" if each.matches else "",
            )
            for each in self.rounds
        ]
        head = ["round", "density", "validation score", "best step", "test", ""]
        return html.paragraph(self.reason) + html.table(head, rows)

    def record(self) -> dict[str, Any]:
        """Every number, as plain Python values."""
        values = dict(vars(self))
        rounds = [round.record() for round in values.pop("rounds")]
        return {**values, "rounds": rounds}


def judge(history: History) -> Verdict:
    """Judges each round over the replicates that have it, and chooses one."""
    longest = max(map(len, history.replicates), default=0)
    rounds = tuple(_judged(history, number) for number in range(longest))
    chosen, reason = _chosen(history, rounds[1:])
    if chosen is None:
        return Verdict(rounds, 0, 0, False, reason)
    number = chosen.number
    replicate = _replicate(history, number)
    return Verdict(rounds, number, replicate, chosen.wins, reason)


def smallest_winning(history: History) -> Round | None:
    """The sparsest winning round, of the replicate where it scored best."""
    verdict = judge(history)
    if not verdict.won:
        return None
    return history.replicates[verdict.replicate][verdict.chosen]


def _judged(history: History, number: int) -> RoundVerdict:
    having = [rounds for rounds in history.replicates if len(rounds) > number]
    ours, dense = [each[number] for each in having], [each[0] for each in having]
    density = Spread(tuple(round.ticket.density for round in ours)).mean
    validation, steps = against_dense(history, ours, dense)
    one_by_one = (against_dense(history, [r[number]], [r[0]]) for r in having)
    matches = _matches(history, validation)
    test_metric, tolerance = test_name(history.monitor), history.plan.tolerance
    test = known(round.score(test_metric) for round in ours)
    found = tuple(differences(history, number))
    return RoundVerdict(
        number=number,
        density=density,
        model_density=Spread(tuple(round.ticket.model_density for round in ours)).mean,
        replicates=len(having),
        of=len(history.replicates),
        validation=validation,
        steps=steps,
        test=Spread(test) if test else None,
        differences=found,
        matches=matches,
        wins=_wins(history, density, validation, steps),
        wins_in=sum(_wins(history, density, *one) for one in one_by_one),
        contradicted=matches
        and any(
            each.is_worse_by_more_than(tolerance)
            for each in found
            if (each.against, each.metric) == ("dense", test_metric)
        ),
        rewound=_is_rewound(history),
        too_short=all(
            round.outcome.best_step == round.outcome.last_step
            for round in (*ours, *dense)
        ),
        passes=max(len(round.outcome.curves.get("step", ())) for round in ours),
    )


def _wins(
    history: History, density: float, validation: Difference, steps: Difference
) -> bool:
    is_early = steps.ours.mean <= steps.theirs.mean
    is_small = density <= MAX_DENSITY
    is_tried = history.is_validated and _is_rewound(history)
    return is_tried and is_early and is_small and _matches(history, validation)


def _is_rewound(history: History) -> bool:
    return history.plan.retrain == "rewind"


def _matches(history: History, validation: Difference) -> bool:
    gain = validation.ours.mean - validation.theirs.mean
    loss, tolerance = (-gain if history.maximize else gain), history.plan.tolerance
    # Scores are float32: a loss of exactly the tolerance may be computed as slightly
    # above it, and so may equal means of scores that are not equal.
    is_exact = tolerance == 0 and len(validation) == 1
    noise = 0.0 if is_exact else _EPSILON * abs(validation.theirs.mean)
    return loss <= tolerance + noise


def _chosen(
    history: History, pruned: Sequence[RoundVerdict]
) -> tuple[RoundVerdict | None, str]:
    """The round to return, and why."""
    if not pruned:
        return None, "No round was pruned: this is the dense network."
    # All replicates must have the chosen round, as far as they have begun to prune.
    pruned = [round for round in pruned if round.replicates == pruned[0].replicates]
    matches = [round for round in pruned if round.matches]
    winners = [round for round in matches if round.wins]
    # The best mean score; of equal ones, the sparsest.
    best = max(pruned, key=lambda r: (_rank(history, r.score.mean), r.number))
    chosen = (winners or matches or [best])[-1]
    if history.is_validated:
        reason = wording.judgement(chosen, MAX_DENSITY, history.plan.tolerance)
    else:
        reason = "No verdict is possible without validation data."
    claims = chosen.sentence() if wording.has_claims(chosen) else ""
    number = controlled_round(history, chosen.number)
    other = next((r for r in pruned if r.number == number != chosen.number), None)
    elsewhere = wording.elsewhere(other) if other else ""
    return chosen, " ".join(filter(None, (reason, claims, elsewhere)))


def controlled_round(history: History, number: int) -> int | None:
    """The nearest round with controls: at or before `number`, else after it.

    None without controls.
    """
    rounds = {control.number for control in history.controls}
    return min(rounds, key=lambda n: (n > number, abs(n - number)), default=None)


def _replicate(history: History, number: int) -> int:
    """The replicate with the best score in a round; the first of equal ones."""
    scores = {
        replicate: _rank(history, rounds[number].score(history.monitor))
        for replicate, rounds in enumerate(history.replicates)
        if len(rounds) > number
    }
    return max(scores, key=lambda replicate: scores[replicate])


def _rank(history: History, score: float) -> float:
    better = score if history.maximize else -score
    return -math.inf if math.isnan(score) else better
