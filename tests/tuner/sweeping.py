"""Sweeps with trainers that do arithmetic: Keras Tuner is real, training is not."""

import math
from types import SimpleNamespace
from typing import ClassVar

import keras_tuner
import pytest

from tests.fakes import FakeTrainer, Killed
from tf_lottery import LotteryTuner, choices_of, lottery_objective
from tf_lottery.tuner import trainers

SHAPES = {"dense/kernel": (40, 30), "logits/kernel": (200,)}
RATES = (0.2, 0.3, 0.4, 0.5, 0.6)
SMALLEST = "smallest_winning_density"


class SweptTrainer(FakeTrainer):
    """A trainer as a sweep makes it.

    Attributes:
        log: What was trained in all sweeps of a test: (rate, round).
        made: The plans of those that were made, and compiled.
        last: The last step of a training of a plan, if not that of the plan.
        architecture: The model in run directories.
        cannot_tell: What of a training cannot be compared.
        die_at: The number of trainings after which it dies.
    """

    log: ClassVar[list] = []
    made: ClassVar[list] = []
    architecture: ClassVar[dict] = {"model": "fake"}
    cannot_tell = ""
    die_at = math.inf
    last = None

    def __init__(self, model, dataset, plan, **arguments):
        super().__init__(plan, SHAPES)
        model()
        self.unknown = self.cannot_tell
        self.made.append(plan)

    @property
    def facts(self):
        return {**super().facts, "architecture": self.architecture}

    @staticmethod
    def score(plan, number):
        """The validation accuracy of a plan and a round."""
        return 0.9

    @property
    def lengths(self):
        found = super().lengths
        return found._replace(last=self.last(self.plan)) if self.last else found

    def train(self, ticket, **options):
        if len(self.log) >= self.die_at:
            raise Killed
        self.log.append((self.plan.pruning_rate, ticket.round))
        self._scores = [self.score(self.plan, n) for n in range(99)]
        if any(map(math.isnan, self._scores)):
            raise FloatingPointError("The loss became NaN.")
        return super().train(ticket, **options)


# What a sweep asks of a binding.
FAKE = SimpleNamespace(identity_of=lambda model, rates: [model, sorted(rates)])
BINDINGS = SimpleNamespace(
    binding_and_model=lambda make, seed, strategy: (FAKE, make(), None)
)


@pytest.fixture
def trainer(monkeypatch):
    """The class that sweeps train with, for this test alone."""
    swept = type("Swept", (SweptTrainer,), {"log": [], "made": []})
    monkeypatch.setattr(trainers, "Trainer", swept)
    monkeypatch.setattr(trainers, "bindings", BINDINGS)
    return swept


def oracle(kind="grid", objective=SMALLEST, **options):
    known = {
        "grid": keras_tuner.oracles.GridSearchOracle,
        "random": keras_tuner.oracles.RandomSearchOracle,
        "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
        "hyperband": keras_tuner.oracles.HyperbandOracle,
    }
    if isinstance(objective, str):
        objective = lottery_objective(objective)
    return known[kind](objective=objective, **options)


def tuner(directory, of=None, hypermodel=lambda hp: {"of": "one kind"}, **options):
    """A tuner over `RATES`, by default."""
    options = {"space": choices_of({"pruning_rate": RATES}), **options}
    of = oracle() if of is None else of
    return LotteryTuner(
        of, hypermodel, directory=directory, project_name="sweep", **options
    )


def swept(directory, of=None, rounds=5, search=None, **options):
    """A tuner that has searched."""
    made = tuner(directory, of, **options)
    fixed = {} if rounds is None else {"rounds": rounds}
    made.search(None, verbose=0, **fixed, **(search or {}))
    return made


def values(made):
    """What each trial chose, in their order."""
    trials = sorted(made.oracle.trials.items())
    return [trial.hyperparameters.values for _, trial in trials]
