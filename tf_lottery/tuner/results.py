"""What a tuner's directory holds: its finished trials, their tickets and tables."""

import shutil
from pathlib import Path
from typing import Any

from tf_lottery.core.history import History
from tf_lottery.core.ticket import FoundTicket
from tf_lottery.report.sweep import FailedTrial, Sweep, Trial
from tf_lottery.run_dir.cache import counted
from tf_lottery.run_dir.run_dir import load_history
from tf_lottery.search.find import chosen
from tf_lottery.tuner._keras_tuner import keras_tuner, reason
from tf_lottery.tuner.hypermodel import values_of
from tf_lottery.tuner.objectives import all_of

_ALL = 1_000_000


class Results(keras_tuner.Tuner):
    """A tuner whose trials are searches, each with a run directory."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._read: dict[str, Trial] = {}

    def run_dir(self, trial_id: str) -> Path:
        """The run directory of a trial's search."""
        return Path(self.get_trial_dir(trial_id)) / "search"

    def get_best_tickets(self, num_tickets: int = 1) -> list[FoundTicket]:
        """The tickets of the best finished trials, with their histories."""
        trials = self._ended("COMPLETED")[:num_tickets]
        return [chosen(self._history(trial)) for trial in trials]

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """The trained models of the best tickets: `ticket.model("best")`."""
        return [ticket.model("best") for ticket in self.get_best_tickets(num_models)]

    def load_model(self, trial: Any) -> Any:
        """The trained model of a trial's ticket."""
        return chosen(self._history(trial)).model("best")

    def sweep(self) -> Sweep:
        """The finished trials, best first, for tables and figures."""
        names = [each.name for each in all_of(self.oracle.objective)]
        failed = (
            FailedTrial(t.trial_id, values_of(t), reason(t.message))
            for t in self._ended("FAILED")
        )
        return Sweep(
            tuple(map(self._trial, self._ended("COMPLETED"))),
            tuple(failed),
            names[0] if len(names) == 1 else f"the sum of {', '.join(names)}",
            *counted(Path(self.project_dir)),
        )

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials, the Pareto front, and how much was trained."""
        print(self.sweep().summary(num_trials))

    def _ended(self, status: str) -> list[Any]:
        """Keras Tuner's trials that ended so: best first, equal ones by their ids."""
        trials = [t for t in self.oracle.get_best_trials(_ALL) if t.status == status]
        sign = -1 if self.oracle.objective.direction == "max" else 1
        return sorted(trials, key=lambda t: (sign * (t.score or 0), t.trial_id))

    def _history(self, trial: Any) -> History:
        return load_history(self.run_dir(trial.trial_id))

    def _trial(self, trial: Any) -> Trial:
        """A finished trial, read once."""
        name = trial.trial_id
        if name not in self._read:
            history, values = self._history(trial), values_of(trial)
            self._read[name] = Trial(name, values, trial.score, history)
        return self._read[name]

    def _table(self) -> str:
        """The best trials, as many as leave a line for the bar."""
        size = shutil.get_terminal_size((88, 24))
        lines = self.sweep().table(width=size.columns).splitlines()
        room = size.lines - 4
        return "\n".join(lines if len(lines) <= room else [*lines[: room - 1], "..."])
