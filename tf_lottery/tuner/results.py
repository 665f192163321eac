"""The results of a sweep, read from the oracle and the run directories."""

from pathlib import Path
from typing import Any

from tf_lottery.core.history import History
from tf_lottery.core.ticket import FoundTicket
from tf_lottery.report.sweep import FailedTrial, Sweep, Trial
from tf_lottery.run_dir.cache import counted
from tf_lottery.run_dir.run_dir import load_history
from tf_lottery.search.find import chosen
from tf_lottery.tuner import failures
from tf_lottery.tuner._keras_tuner import keras_tuner
from tf_lottery.tuner.hypermodel import EPOCHS
from tf_lottery.tuner.objectives import all_of

_ALL = 1_000_000


class Results:
    """The trials of a `LotteryTuner` as they stand."""

    def __init__(self, tuner: Any) -> None:
        self._tuner = tuner
        self._trials: dict[str, Trial] = {}

    def sweep(self) -> Sweep:
        """The finished trials, best first, and those that failed."""
        names = [each.name for each in all_of(self._tuner.oracle.objective)]
        return Sweep(
            tuple(map(self._trial, self._ended("COMPLETED"))),
            tuple(map(_failed, self._ended("FAILED"))),
            names[0] if len(names) == 1 else f"the sum of {', '.join(names)}",
            *counted(Path(self._tuner.project_dir)),
        )

    def best_tickets(self, number: int) -> list[FoundTicket]:
        """The tickets of the best finished trials, with their histories."""
        return [self.ticket(trial) for trial in self._ended("COMPLETED")[:number]]

    def ticket(self, trial: Any) -> FoundTicket:
        """The ticket of a finished trial."""
        return chosen(self._history(trial))

    def _ended(self, status: str) -> list[Any]:
        """Keras Tuner's trials that ended so: best first, equal ones by their ids."""
        oracle = self._tuner.oracle
        trials = [t for t in oracle.get_best_trials(_ALL) if t.status == status]
        sign = -1 if oracle.objective.direction == "max" else 1
        return sorted(trials, key=lambda t: (sign * (t.score or 0), t.trial_id))

    def _history(self, trial: Any) -> History:
        return load_history(self._tuner.run_dir(trial.trial_id))

    def _trial(self, trial: Any) -> Trial:
        """A finished trial, read once."""
        name = trial.trial_id
        if name not in self._trials:
            values = values_of(trial.hyperparameters)
            self._trials[name] = Trial(name, values, trial.score, self._history(trial))
        return self._trials[name]


def values_of(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """What was chosen for a trial."""
    names = (*(each.name for each in hp.space), EPOCHS)
    return {name: hp.values[name] for name in names if name in hp.values}


def _failed(trial: Any) -> FailedTrial:
    values = values_of(trial.hyperparameters)
    return FailedTrial(trial.trial_id, values, failures.reason(trial.message))
