"""A Keras Tuner whose trials are searches for tickets.

Each trial has a run directory below the tuner's directory. So a stopped trial
continues where it was, and trials share the trainings that they have in common.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tf_lottery.core.archive import PathLike
from tf_lottery.core.one_argument import data_are_one_argument
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import FoundTicket
from tf_lottery.report.console import screen
from tf_lottery.report.sweep import in_words
from tf_lottery.run_dir.manifest import manifest_of
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.search.controls import check_controls
from tf_lottery.search.find import search
from tf_lottery.search.leaving import Leaving
from tf_lottery.training.side_by_side import Together
from tf_lottery.training.trainer import Trainer
from tf_lottery.tuner import _keras_tuner, sweep_file
from tf_lottery.tuner._keras_tuner import keras_tuner, reason, sorted_out
from tf_lottery.tuner.arguments import sorted_arguments
from tf_lottery.tuner.hypermodel import EPOCHS, SearchedModel, values_of
from tf_lottery.tuner.objectives import all_of, check_objective, figures, reported
from tf_lottery.tuner.results import Results
from tf_lottery.tuner.side_by_side import searched
from tf_lottery.tuner.space import Space, lottery_space
from tf_lottery.tuner.trainers import Trainers
from tf_lottery.verdict.monitor import maximizes

_SHOWN = 5  # of the trials after each, where there is no terminal
_GOES_ON = (
    "Call search of a tuner with the same directory and project_name to continue."
)
_UNTITLED = "untitled_project"  # Keras Tuner's default


class LotteryTuner(Results):
    """Sweeps over ways to find tickets, with any oracle of Keras Tuner.

    Trials with equal model, data and training share the dense network and every
    common round: a sweep over n pruning rates trains one dense network, not n. What is
    not shared, and why, is in docs/controls.md.

    Args:
        oracle: `keras_tuner.oracles.RandomSearchOracle`, `BayesianOptimizationOracle`,
            `HyperbandOracle`, `GridSearchOracle` or your own; its objective is one of
            `tf_lottery.tuner.objectives`, see `lottery_objective`. Hyperband's epochs
            are the length of each training of a trial.
        hypermodel: A function of Keras Tuner's `HyperParameters`, or a `HyperModel`,
            that returns a compiled tf_keras model. It is called under the sweep's
            seed, so equal models start from equal weights.
        space: A function of `HyperParameters` that returns fields of a `Plan`.
        executions_per_trial: Replicates of each search; objectives are means.
        seed: Of replicate 0 of each search.
        directory, project_name, overwrite: As in Keras Tuner: where trials are kept,
            and where the same sweep continues after it was stopped.

    Raises:
        TypeError: Arguments of `keras_tuner.Tuner` that belong elsewhere: the
            hypermodel compiles its model, and `search` takes the strategy.
        PlanMismatchError: The directory holds a sweep with another oracle.
        TicketError: A file in the directory is damaged.

    Example:
        ```python
        tuner = LotteryTuner(
            keras_tuner.oracles.RandomSearchOracle(
                lottery_objective("smallest_winning_density"), max_trials=20
            ),
            make_model,
            directory="runs",
            project_name="sweep",
        )
        tuner.search((x, y), rounds=10, epochs=3, validation_data=(x_val, y_val))
        tuner.results_summary()
        ticket = tuner.get_best_tickets()[0]
        ```
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel: Callable[[Any], Any] | keras_tuner.HyperModel,
        *,
        space: Space = lottery_space,
        executions_per_trial: int = 1,
        seed: int = 0,
        directory: PathLike | None = None,
        project_name: str | None = None,
        overwrite: bool = False,
        **others: Any,
    ) -> None:
        if others:
            raise TypeError(
                "The oracle takes max_trials, objective and its seed; the `hypermodel` "
                "compiles its model; `search` takes the strategy and the plan. "
                f"Received: {', '.join(sorted(others))}."
            )
        if not isinstance(oracle, keras_tuner.Oracle):
            raise TypeError(
                "`oracle` must be one of Keras Tuner, such as "
                "`keras_tuner.oracles.RandomSearchOracle(...)`. Received: "
                f"{oracle!r}."
            )
        distributed = "KERASTUNER_ORACLE_IP" in os.environ
        who = os.environ.get("KERASTUNER_TUNER_ID", "")
        self.is_chief = distributed and "chief" in who
        self.is_worker = distributed and not self.is_chief
        self._oracle_facts = {"oracle": _keras_tuner.describe(oracle)}
        if self.is_worker:
            overwrite = False  # only the chief decides on a running sweep
        elif not overwrite:
            project = Path(directory or ".") / (project_name or _UNTITLED)
            sweep_file.check(project, self._oracle_facts)
        self._seed = seed
        self._verbose = 1
        self._console = screen(soft_wrap=True)
        self._shortest = _keras_tuner.shortest(oracle)
        self._registered = oracle.get_space()
        super().__init__(
            oracle,
            SearchedModel(hypermodel, space),
            executions_per_trial=executions_per_trial,
            directory=directory,
            project_name=project_name,
            overwrite=overwrite,
        )
        self._found: dict[str, FoundTicket | Exception] = {}

    @data_are_one_argument
    def search(self, dataset: Any, *, verbose: int = 1, **arguments: Any) -> None:
        """Runs trials, or continues them, until the oracle proposes no more.

        Args:
            dataset: See `find_ticket`.
            verbose: As in Keras: 0 is silent, 1 shows a bar inside a round, below a
                table of the trials, and a line per round; 2, and 1 where there is no
                terminal, shows no bar and a table after each trial.
            **arguments: Those of `find_ticket`: fields of a `Plan`, such as `rounds`
                and `epochs`, validation_data, test_data, callbacks, strategy. They are
                fixed, and are not part of the search space.

        Raises:
            ValueError, TypeError: Arguments with which no trial could run.
            PlanMismatchError: The directory holds another sweep.
            RuntimeError: Too many trials in a row failed.
            Exception: Any error that is not a trial's own, see docs/sweeps.md.
        """
        fixed, others = sorted_arguments(arguments, self._shortest is not None)
        self.hypermodel.fix(fixed)
        self._verbose = verbose
        space, together = self._space(), Together(1)
        trainers = Trainers(dataset, **others)
        if not self.is_chief:  # it trains nothing
            together = self._check(trainers, space)
        if together.number > 1 or "together" in fixed:
            fixed["together"] = together.number
        self.oracle.verbose = 0  # our tables take the place of its own
        if not self.is_worker and not self.oracle.trials:
            self.oracle.hyperparameters = space
        with Leaving(_GOES_ON):
            if together.why:
                self._say(together.why)
            try:
                if together.number == 1:
                    super().search(trainers)
                else:
                    self._search_side_by_side(trainers, together.number)
            except keras_tuner.errors.FatalError as fatal:
                error = fatal.__cause__ or fatal
                raise error from error.__cause__

    def run_trial(self, trial: Any, trainers: Trainers) -> dict[str, float]:
        """The figures of a search with the trial's choices."""
        found = self._found.pop(trial.trial_id, None)
        if found is None:
            self._introduce(trial)
            found = self._searched(trial, self._trainer(trial, trainers))
        if isinstance(found, Exception):
            raise found
        assert found.history is not None
        return reported(figures(found.history), self.oracle.objective)

    def _search_side_by_side(self, trainers: Trainers, number: int) -> None:
        """Runs so many trials at a time, in the way of Keras Tuner's own `search`."""

        def model(trial: Any) -> str:
            with sorted_out(ValueError):
                return trainers.key(*self._parts(trial))

        def prepare(trial: Any) -> tuple[Trainer, int]:
            trainer = self._trainer(trial, trainers)
            stored = RunDir(self.run_dir(trial.trial_id)).together()
            return trainer, trainer.side_by_side.chosen(stored).number

        self.on_search_begin()
        while trials := _keras_tuner.proposed(self.oracle, self.tuner_id, number):
            for trial in trials:
                self.on_trial_begin(trial)
                self._introduce(trial)
            self._found = searched(trials, model, prepare, self._searched, self._say)
            for trial in trials:
                self._try_run_and_update_trial(trial, trainers)
                self.on_trial_end(trial)
        self.on_search_end()

    def _introduce(self, trial: Any) -> None:
        most = self.oracle.max_trials
        of = f" (of {most})" if most else ""
        self._say(f"\nTrial {trial.trial_id}{of}: {in_words(values_of(trial))}")

    def _parts(self, trial: Any) -> tuple[Callable[[], Any], Plan]:
        """The function that makes the model of a trial, and its plan."""
        hp = trial.hyperparameters
        return lambda: self.hypermodel.model(hp), self._plan(hp)

    def _trainer(self, trial: Any, trainers: Trainers) -> Trainer:
        with sorted_out(ValueError):  # choices that do not go together
            trainer = trainers.of(*self._parts(trial))
            check_controls(trainer)
        return trainer

    def _searched(
        self, trial: Any, trainer: Trainer, lanes: int | None = None
    ) -> FoundTicket:
        """The ticket of a trial, which may be one of the lanes of a program."""
        with sorted_out():
            return search(
                trainer,
                run_dir=self.run_dir(trial.trial_id),
                share_with=self.project_dir,
                # Bars of several searches would overwrite each other.
                verbose=2 if lanes and self._verbose else self._verbose,
                above=self._table() if self._is_live else "",
                name=f"Trial {trial.trial_id}  " if lanes else "",
                lanes=lanes,
            )

    def reload(self) -> None:
        """Loads the trials of the directory."""
        super().reload()
        _keras_tuner.complete(self.oracle)

    def on_search_begin(self) -> None:
        """Saves the sweep, which Keras Tuner does only after its first trial."""
        super().on_search_begin()
        self.save()

    def on_trial_end(self, trial: Any) -> None:
        """Ends the trial, and shows how the sweep stands."""
        if trial.message:
            trial.message = reason(trial.message)
        super().on_trial_end(trial)
        if not self._is_live:
            self._say(self.sweep().table(_SHOWN))

    @property
    def _is_live(self) -> bool:
        """Whether the table of the trials stands above the bars."""
        return self._verbose == 1 and self._console.is_terminal

    def _say(self, text: str) -> None:
        """Prints text, unless silent."""
        if self._verbose:
            self._console.print(text, markup=False)

    def _space(self) -> keras_tuner.HyperParameters:
        """What there is to choose: for the oracle, for the space and for the model."""
        oracle = self.oracle  # type: ignore[has-type]
        registered = keras_tuner.HyperParameters()
        registered.merge(
            [e for e in self._registered.space if e.name not in self.hypermodel.fixed]
        )
        self.oracle = keras_tuner.oracles.RandomSearchOracle(
            hyperparameters=registered,
            allow_new_entries=oracle.allow_new_entries,
            tune_new_entries=oracle.tune_new_entries,
        )
        try:
            self._populate_initial_space()
            return self.oracle.get_space()
        finally:
            self.oracle = oracle

    def _check(
        self, trainers: Trainers, space: keras_tuner.HyperParameters
    ) -> Together:
        """How many trials share a program.

        Raises what all trials would raise, and if another sweep is here.
        """
        if self._shortest:
            space.values[EPOCHS] = self._shortest
        plan = self._plan(space)
        space.values.pop(EPOCHS, None)
        trainer = trainers.of(lambda: self.hypermodel.model(space), plan)
        if trainer.workers.count > 1:
            raise ValueError(
                "A trial must be searched in one process. Received: a strategy with "
                f"{trainer.workers.count} workers. Use Keras Tuner's chief and workers "
                "to run several trials at a time."
            )
        monitor = plan.monitor or trainer.monitors[0]
        objective = self.oracle.objective
        check_objective(objective, trainer.monitors, maximizes(monitor, plan))
        stored = sweep_file.side_by_side(Path(self.project_dir))
        most = _keras_tuner.independent(self.oracle, space)
        if self.is_worker or self.hypermodel.varies:
            most = 1
        together = trainer.side_by_side.chosen(stored, searches=most)
        if self.is_worker and together.number > 1:
            raise ValueError(
                "Trials share a program in one process. Received: together="
                f"{together.number} in one of several workers of Keras Tuner. Leave "
                "`together` out; a sweep that began with it continues in one process."
            )
        found = manifest_of(plan, **trainer.facts)
        asked = found["plan"].pop("together")
        facts = {
            **self._oracle_facts,
            "space": {each.name: each.get_config() for each in space.space},
            "objective": {each.name: each.direction for each in all_of(objective)},
            "plan": found["plan"],
            "model": {k: found[k] for k in ("architecture", "compile_config")},
            "data": found["data"],
            "trials": {
                "side_by_side": together.number,
                "asked": stored[0] if stored else asked,
            },
        }
        sweep_file.write(Path(self.project_dir), facts)
        return together

    def _plan(self, hp: keras_tuner.HyperParameters) -> Plan:
        hypermodel: SearchedModel = self.hypermodel
        return hypermodel.plan(hp, self._seed, self.executions_per_trial)
