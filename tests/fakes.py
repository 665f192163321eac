"""A trainer that does arithmetic instead of training: milliseconds, no TensorFlow."""

import copy
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace

import numpy as np

from tf_lottery.core.history import History, Round
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.plan import Plan
from tf_lottery.core.steps import to_steps
from tf_lottery.core.ticket import Ticket, masked
from tf_lottery.run_dir.manifest import describe
from tf_lottery.run_dir.run_dir import Store
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.checkpoint import Run
from tf_lottery.training.lengths import Lengths

SHAPES = {"dense/kernel": (6, 5), "block/dense_1/kernel": (5, 4), "logits/kernel": (4,)}
STEPS = 100


class Killed(BaseException):
    """What a kill looks like from inside: nothing here may catch it."""


class FakeTrainer:
    """Gives each ticket weights by chance, by the seed and the ticket.

    Args:
        plan: How to "train".
        shapes: Of the prunable weights, by path.
        scores: The validation accuracy of each round.
        train_as: Gives the final weight of (path, mask, start), if not by chance.
        die_in: Dies in the training of this round, or (replicate, round, control).
    """

    def __init__(
        self,
        plan: Plan,
        shapes: Mapping[str, tuple[int, ...]] = SHAPES,
        *,
        scores: Sequence[float] = (),
        train_as: Callable | None = None,
        die_in: int | None = None,
    ):
        self.plan = plan
        self.number = 0
        self.shapes = shapes
        self.trained: list[Ticket] = []
        self.controls: list[tuple] = []
        self.replayed: list[int] = []
        self.replays = True
        self.is_alone = True
        self.unknown = ""
        self.die_in = die_in
        self.checkpoints = []
        self._scores = scores
        self._train_as = train_as

    @property
    def rounds_trained(self) -> list[int]:
        return [ticket.round for ticket in self.trained]

    @property
    def lengths(self) -> Lengths:
        return Lengths(10, STEPS, to_steps(self.plan.rewind_to, 10))

    @property
    def facts(self) -> dict:
        return {
            "architecture": {"model": "fake"},
            "values": {},
            "data": {"dataset": {"batches": 9}},
            "devices": "one device",
            "unknown": self.unknown,
            "repeats": self.replays,
        }

    def following(self, plan, replicate=0) -> "FakeTrainer":
        other = copy.copy(self)
        other.number, other.plan = replicate, plan
        return other

    def dense(self, start=None) -> Ticket:
        masks = Masks.full(self.shapes)
        state = self.draw(self.plan.seed)
        return Ticket(masks, state, plan=self.plan, architecture={"model": "fake"})

    def draw(self, seed: int) -> dict[str, np.ndarray]:
        draw = np.random.default_rng(seed)
        state = {
            p: draw.normal(size=s).astype("float32") for p, s in self.shapes.items()
        }
        state["dense/bias"] = draw.normal(size=5).astype("float32")
        state["norm/moving_mean"] = np.zeros(5, np.float32)
        state["optimizer:iterations"] = np.array(0)
        state |= {f"optimizer:m/{p}": np.zeros(s, "f4") for p, s in self.shapes.items()}
        return state

    def train(
        self, ticket, *, control=None, draw=0, checkpoint=None, report=None
    ) -> Outcome:
        if self.die_in in (ticket.round, (self.number, ticket.round, control)):
            raise Killed
        self.trained.append(ticket)
        self.controls.append((self.number, ticket.round, control))
        # Later states must follow from what the ticket says, not from its number.
        end = self._state_at(ticket, STEPS)
        best = self._state_at(ticket, STEPS // 2)
        next_start = None
        rewind = self.lengths.rewind
        if self.plan.retrain == "fine_tune":
            next_start = 0, end
        elif ticket.step < rewind:
            next_start = rewind, self._state_at(ticket, rewind)
        if checkpoint:
            self.checkpoints.append(checkpoint.path)
            checkpoint.save(Run(STEPS), SimpleNamespace(view=lambda: end))
        if report:
            report(STEPS, {"loss": 0.5})
        score = self._scores[ticket.round] if self._scores else 0.9
        metrics = {
            "val_loss": 0.5,
            "val_accuracy": score,
            "test_accuracy": score - 0.01,
        }
        return Outcome(
            weights=_weights(end),
            best_weights=_weights(best),
            best_step=STEPS // 2,
            last_step=STEPS,
            metrics=metrics,
            curves={"step": [STEPS // 2, STEPS], "val_loss": [0.5, 0.6]},
            seconds=0.5,
            next_start=next_start,
        )

    def finished(self, round, control, draw) -> None:
        return None

    def state_at(self, ticket, step):
        self.replayed.append(step)
        return self._state_at(ticket, step)

    def _state_at(self, ticket: Ticket, step: int) -> dict[str, np.ndarray]:
        state = {}
        for name in ticket.state:
            start = ticket.state[name]
            key = [self.plan.seed, step, zlib.crc32(name.encode())]
            key.append(zlib.crc32(np.ascontiguousarray(start).tobytes()))
            noise = np.random.default_rng(key).normal(size=start.shape)
            state[name] = (start + noise).astype(start.dtype)
            mask = ticket.masks.get(name)
            if mask is not None and self._train_as:
                state[name] = self._train_as(name, mask, start)
            state[name] = masked(state[name], mask)
        state["optimizer:iterations"] = np.array(step)
        return state


def _weights(state):
    return {name: array for name, array in state.items() if ":" not in name}


def architecture(model="fake", optimizer="adam") -> dict:
    """A model as a fake trainer describes it."""
    return {"model": model, "compile_config": {"optimizer": optimizer}}


def facts(plan: Plan, **changes) -> dict:
    """What a run directory holds of a search with a fake trainer."""
    of = {
        "architecture": architecture(),
        "data": {"dataset": {"batches": 9}},
    }
    of |= {"monitor": "val_accuracy", "maximize": True}
    return describe(plan, **{**of, **changes})


def written(path, plan: Plan, **trainer) -> Store:
    """A run directory with all rounds of a search."""
    store = Store(path)
    with store.open(facts(plan), overwrite=False):
        for round in run_rounds(FakeTrainer(plan, **trainer), plan):
            store.replicate().save_ticket(round.ticket)
            store.replicate().save_outcome(round.ticket, round.outcome)
    return store


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
