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

_NAMES = {
    "Context": "tf_lottery.core.controls",
    "Data": "tf_lottery.core.data",
    "ExportError": "tf_lottery.core.errors",
    "History": "tf_lottery.core.history",
    "InvariantError": "tf_lottery.core.errors",
    "LotterySchedule": "tf_lottery.bindings.tf_keras.tfmot.schedule",
    "LotteryTuner": "tf_lottery.tuner.lottery_tuner",
    "Masks": "tf_lottery.core.masks",
    "Outcome": "tf_lottery.core.outcome",
    "Plan": "tf_lottery.core.plan",
    "PlanMismatchError": "tf_lottery.core.errors",
    "RewindWeights": "tf_lottery.bindings.tf_keras.tfmot.rewind",
    "Round": "tf_lottery.core.history",
    "Ticket": "tf_lottery.core.ticket",
    "TicketError": "tf_lottery.core.errors",
    "Trainer": "tf_lottery.training.trainer",
    "choices_of": "tf_lottery.tuner.space",
    "compare": "tf_lottery.report.comparison",
    "expected_overlap": "tf_lottery.core.algebra",
    "find_rewind_point": "tf_lottery.studies.rewind_point",
    "find_ticket": "tf_lottery.search.find",
    "gradient": "tf_lottery.training.gradient",
    "instability": "tf_lottery.studies.instability",
    "intersection": "tf_lottery.core.algebra",
    "judge": "tf_lottery.verdict.judge",
    "load_history": "tf_lottery.run_dir.run_dir",
    "lottery_objective": "tf_lottery.tuner.objectives",
    "lottery_space": "tf_lottery.tuner.space",
    "one_shot": "tf_lottery.search.find",
    "overlap": "tf_lottery.core.algebra",
    "prune": "tf_lottery.core.prune",
    "run_rounds": "tf_lottery.search.rounds",
    "smallest_winning": "tf_lottery.verdict.judge",
    "transfer": "tf_lottery.training.transfer",
    "union": "tf_lottery.core.algebra",
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
    return sorted([*globals(), *__all__])
