"""Controls beside a search that is trained by arithmetic."""

from tests.fakes import FakeTrainer
from tf_lottery.search.controls import run_controls
from tf_lottery.search.rounds import run_rounds

LOGITS = "logits/kernel"
EVERY = ("reinit", "reinit_same_sign", "shuffle", "random_mask")


def searched(plan, trainer=None):
    """The rounds of a search, its controls, and what trained them."""
    trainer = trainer or FakeTrainer(plan)
    rounds = list(run_rounds(trainer, plan))
    return rounds, list(run_controls(trainer, rounds)), trainer


def controls_of(plan, trainer=None):
    return searched(plan, trainer)[1]


def which(trained):
    return [(round.number, round.control, round.draw) for round in trained]
