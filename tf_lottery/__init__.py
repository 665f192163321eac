"""Finds winning tickets: small networks inside a Keras model that train as well.

    ticket = tf_lottery.find_ticket(model, dataset, rounds=15)

Reference: Frankle & Carbin, "The Lottery Ticket Hypothesis", arXiv 1803.03635.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tf_lottery._version import __version__ as __version__

if TYPE_CHECKING:
    from tf_lottery.bindings.tf_keras.tfmot.rewind import RewindWeights as RewindWeights
    from tf_lottery.bindings.tf_keras.tfmot.schedule import (
        LotterySchedule as LotterySchedule,
    )
    from tf_lottery.core import controls as controls
    from tf_lottery.core import criteria as criteria
    from tf_lottery.core.algebra import expected_overlap as expected_overlap
    from tf_lottery.core.algebra import intersection as intersection
    from tf_lottery.core.algebra import overlap as overlap
    from tf_lottery.core.algebra import union as union
    from tf_lottery.core.controls import Context as Context
    from tf_lottery.core.data import Data as Data
    from tf_lottery.core.errors import ExportError as ExportError
    from tf_lottery.core.errors import InvariantError as InvariantError
    from tf_lottery.core.errors import PlanMismatchError as PlanMismatchError
    from tf_lottery.core.errors import TicketError as TicketError
    from tf_lottery.core.history import History as History
    from tf_lottery.core.history import Round as Round
    from tf_lottery.core.masks import Masks as Masks
    from tf_lottery.core.outcome import Outcome as Outcome
    from tf_lottery.core.plan import Plan as Plan
    from tf_lottery.core.prune import prune as prune
    from tf_lottery.core.ticket import FoundTicket as FoundTicket
    from tf_lottery.core.ticket import Ticket as Ticket
    from tf_lottery.report.comparison import compare as compare
    from tf_lottery.run_dir.run_dir import load_history as load_history
    from tf_lottery.search.find import find_ticket as find_ticket
    from tf_lottery.search.find import one_shot as one_shot
    from tf_lottery.search.rounds import run_rounds as run_rounds
    from tf_lottery.studies.instability import instability as instability
    from tf_lottery.studies.rewind_point import find_rewind_point as find_rewind_point
    from tf_lottery.training.gradient import gradient as gradient
    from tf_lottery.training.trainer import Trainer as Trainer
    from tf_lottery.training.transfer import transfer as transfer
    from tf_lottery.tuner.lottery_tuner import LotteryTuner as LotteryTuner
    from tf_lottery.tuner.objectives import lottery_objective as lottery_objective
    from tf_lottery.tuner.space import choices_of as choices_of
    from tf_lottery.tuner.space import lottery_space as lottery_space
    from tf_lottery.verdict.judge import judge as judge
    from tf_lottery.verdict.judge import smallest_winning as smallest_winning

_MODULES = {
    "controls": "tf_lottery.core.controls",
    "criteria": "tf_lottery.core.criteria",
    "export": "tf_lottery.export",
    "report": "tf_lottery.report",
    "zoo": "tf_lottery.zoo",
}
# The public names of each module.
_PUBLIC = {
    "bindings.tf_keras.tfmot.rewind": "RewindWeights",
    "bindings.tf_keras.tfmot.schedule": "LotterySchedule",
    "core.algebra": "expected_overlap intersection overlap union",
    "core.controls": "Context",
    "core.data": "Data",
    "core.errors": "ExportError InvariantError PlanMismatchError TicketError",
    "core.history": "History Round",
    "core.masks": "Masks",
    "core.outcome": "Outcome",
    "core.plan": "Plan",
    "core.prune": "prune",
    "core.ticket": "FoundTicket Ticket",
    "report.comparison": "compare",
    "run_dir.run_dir": "load_history",
    "search.find": "find_ticket one_shot",
    "search.rounds": "run_rounds",
    "studies.instability": "instability",
    "studies.rewind_point": "find_rewind_point",
    "training.gradient": "gradient",
    "training.trainer": "Trainer",
    "training.transfer": "transfer",
    "tuner.lottery_tuner": "LotteryTuner",
    "tuner.objectives": "lottery_objective",
    "tuner.space": "choices_of lottery_space",
    "verdict.judge": "judge smallest_winning",
}
_NAMES = {
    name: f"tf_lottery.{module}"
    for module, names in _PUBLIC.items()
    for name in names.split()
}

__all__ = sorted([*_MODULES, *_NAMES])


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'tf_lottery' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
