"""The trainer of a model of arrays, and values made by hand: no TensorFlow."""

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tests import fake_binding
from tf_lottery.core.history import History, Round
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.run_dir.manifest import manifest_of
from tf_lottery.run_dir.names import Place
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.trainer import Trainer

SHAPES = {"dense/kernel": (6, 5), "block/dense_1/kernel": (5, 4), "logits/kernel": (4,)}


class Killed(BaseException):
    """What a kill looks like from inside: nothing here may catch it."""


class FakeTrainer(Trainer):
    """The trainer of a fake model, which notes what it trains.

    It also takes the place of `Recorded`, with nothing recorded.

    Args:
        plan: How to train.
        shapes: Of the prunable weights, by path.
        scores: The validation accuracy of each round.
        train_as: Gives the weight after a step, of (path, mask, weight), if not by
            chance.
        draw_as: Gives the initial weight of (path, array drawn), if not the array.
        die_in: Dies in the training of this round, or (replicate, round, control).

    Attributes:
        trained: The tickets.
        controls: (replicate, round, control) of each training.
        checkpoints: The paths of their checkpoints.
        replayed: The steps of `state_at`.
        unknown: What of a training cannot be compared.
        replays: Whether a training that is done again gives the same bits.
    """

    trainer = property(lambda self: self)  # as `Recorded` has one

    def __init__(
        self,
        plan: Plan,
        shapes: Mapping[str, tuple[int, ...]] = SHAPES,
        *,
        scores: Sequence[float] = (),
        train_as: Callable | None = None,
        draw_as: Callable | None = None,
        die_in: int | tuple | None = None,
    ):
        model = fake_binding.Model(dict(shapes), train_as, draw_as)
        super().__init__(model, None, plan, validation_data=0.0, test_data=0.01)
        self.trained: list[Ticket] = []
        self.controls: list[tuple] = []
        self.checkpoints: list[Path] = []
        self.replayed: list[int] = []
        self.replays = True
        self.unknown = ""
        self.die_in = die_in
        self._scores = scores

    @property
    def number(self) -> int:
        return self._session.replicate

    @property
    def rounds_trained(self) -> list[int]:
        return [ticket.round for ticket in self.trained]

    @property
    def facts(self) -> dict:
        changes = {"unknown": self.unknown, "repeats": self.replays}
        return {**super().facts, **changes}

    def train(
        self, ticket, *, control=None, draw=0, checkpoint=None, report=None
    ) -> Outcome:
        if self.die_in in (ticket.round, (self.number, ticket.round, control)):
            raise Killed
        self.trained.append(ticket)
        self.controls.append((self.number, ticket.round, control))
        if checkpoint:
            self.checkpoints.append(checkpoint.path)
        if self._scores:
            self.model.score = self._scores[ticket.round]
        how = {"control": control, "checkpoint": checkpoint, "report": report}
        # Searches that are compared bit for bit take equal times.
        return dataclasses.replace(super().train(ticket, **how), seconds=0.5)

    def finished(self, round, control, draw) -> None:
        return None

    def finish(self) -> None:
        """Nothing is written."""

    def state_at(self, ticket, step):
        self.replayed.append(step)
        other = copy.copy(self)
        other.trained, other.controls = [], []
        return super(FakeTrainer, other).state_at(ticket, step)


def architecture(model="fake", optimizer="adam") -> dict:
    """A model as a fake trainer describes it."""
    return {"model": model, "compile_config": {"optimizer": optimizer}}


def manifest(plan: Plan, **changes) -> dict:
    """What a run directory holds of a search with a fake trainer."""
    of = {
        "architecture": architecture(),
        "data": {"dataset": {"batches": 9}},
    }
    of |= {"monitor": "val_accuracy", "maximize": True}
    return manifest_of(plan, **{**of, **changes})


def written(path, plan: Plan, **trainer) -> RunDir:
    """A run directory with all rounds of a search."""
    run_dir = RunDir(path)
    with run_dir.open(manifest(plan), overwrite=False):
        for round in run_rounds(FakeTrainer(plan, **trainer), plan):
            place = Place(round.number)
            run_dir.replicate_dir().save_ticket(round.ticket, place)
            run_dir.replicate_dir().save_outcome(round.ticket, round.outcome, place)
    return run_dir


def outcome(weights, **changes) -> Outcome:
    """An outcome that ends with these weights."""
    values = {
        "weights": weights,
        "best_weights": weights,
        "best_step": 50,
        "last_step": 100,
        "metrics": {"val_accuracy": 0.9, "val_loss": 0.3},
        "curves": {"step": [50, 100], "val_loss": [0.3, 0.4]},
    }
    return Outcome(**{**values, **changes})


def history(rows, *, plan=None, monitor="val_accuracy", maximize=True) -> History:
    """A history of (density, score, best step), one a round."""
    rounds = tuple(
        round_of(number, density, {monitor: score}, best_step)
        for number, (density, score, best_step) in enumerate(rows)
    )
    return History((rounds,), plan or Plan(), monitor, maximize)


def round_of(number, density, metrics, best_step=50, **which) -> Round:
    """A round of a ticket without weights."""
    masks = Masks({"dense/kernel": np.arange(1000) < round(1000 * density)})
    result = outcome({}, metrics=metrics, best_step=best_step)
    return Round(number, Ticket(masks, {}, round=number), result, **which)


def with_unprunable(found: History, parameters: int) -> History:
    """A history, with so many parameters that cannot be pruned in each ticket."""

    def of(round: Round) -> Round:
        state = {**round.ticket.state, "embedding/embeddings": np.zeros(parameters)}
        return dataclasses.replace(
            round, ticket=dataclasses.replace(round.ticket, state=state)
        )

    replicates = tuple(tuple(map(of, rounds)) for rounds in found.replicates)
    return dataclasses.replace(found, replicates=replicates)


def replicated(*replicates, controls=None, plan=None) -> History:
    """A history of replicates, each of (density, validation, test, best step).

    `controls` maps (replicate, name, draw, round) to (validation, test, best step).
    """

    def metrics(validation, test):
        return {"val_accuracy": validation, "test_accuracy": test}

    rounds = tuple(
        tuple(
            round_of(number, density, metrics(*scores), best_step, replicate=replicate)
            for number, (density, *scores, best_step) in enumerate(rows)
        )
        for replicate, rows in enumerate(replicates)
    )
    trained = tuple(
        round_of(
            number,
            replicates[replicate][number][0],
            metrics(*scores),
            best_step,
            replicate=replicate,
            control=name,
            draw=draw,
        )
        for (replicate, name, draw, number), (*scores, best_step) in (
            (controls or {}).items()
        )
    )
    return History(rounds, plan or Plan(), "val_accuracy", True, trained)
