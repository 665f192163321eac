"""A Keras Tuner whose trials are searches for tickets.

Every trial has its run directory, below the tuner's: so a trial that was stopped goes
on where it was, and trials share the trainings that they have in common.
"""

import contextlib
import difflib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich.console

from tf_lottery.core.archive import PathLike
from tf_lottery.core.one_argument import data_are_one_argument
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.report.sweep import Sweep, in_words
from tf_lottery.run_dir.manifest import describe
from tf_lottery.search.find import search
from tf_lottery.search.leaving import Leaving
from tf_lottery.tuner import failures, oracles, stopped, sweep_file
from tf_lottery.tuner._keras_tuner import keras_tuner
from tf_lottery.tuner.hypermodel import EPOCHS, PLAN_FIELDS, SearchedModel
from tf_lottery.tuner.objectives import all_of, check_objective, figures, reported
from tf_lottery.tuner.results import Results, values_of
from tf_lottery.tuner.space import Space, lottery_space
from tf_lottery.tuner.trainers import Trainers
from tf_lottery.verdict.monitor import maximizes

_TRAINER = {
    *("validation_data", "test_data", "class_weight", "validation_split"),
    *("callbacks", "allow_early_stop", "strategy"),
}
_SHOWN = 5  # of the trials after each, where there is no terminal
_GOES_ON = (
    "Call search of a tuner with the same directory and project_name to continue."
)
_UNTITLED = "untitled_project"  # Keras Tuner's default


class LotteryTuner(keras_tuner.Tuner):
    """Sweeps over how tickets are found, with any oracle of Keras Tuner.

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
            seed, so that equal models start from equal weights.
        space: A function of `HyperParameters` that returns fields of a `Plan`.
        executions_per_trial: Replicates of each search; objectives are means.
        seed: Of replicate 0 of each search.
        directory, project_name, overwrite: As in Keras Tuner: where trials are kept,
            and from where the same sweep goes on after it was stopped.
        **kwargs: Other arguments of `keras_tuner.Tuner`, of which there is one that a
            search can have: tuner_id.

    Raises:
        TypeError: Arguments that a search has elsewhere: the hypermodel compiles its
            model, and `search` has the strategy.
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
        **kwargs: Any,
    ) -> None:
        if unknown := sorted(set(kwargs) - {"tuner_id"}):
            raise TypeError(
                "A tuner has an oracle, which has max_trials, objective and seed; a "
                "`hypermodel`, which compiles its model; and `search`, which has the "
                f"strategy and the plan. Received: {', '.join(unknown)}."
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
        if self.is_worker:
            overwrite = False  # of a running sweep the chief alone decides
        self._oracle_facts = {"oracle": oracles.describe(oracle)}
        if not self.is_worker and not overwrite:
            project = Path(directory or ".") / (project_name or _UNTITLED)
            stopped.check_files(project)
            sweep_file.check(project, self._oracle_facts)
        self._seed = seed
        self._verbose = 1
        self._shortest = oracles.shortest(oracle)
        self._registered = oracle.get_space()
        super().__init__(
            oracle,
            SearchedModel(hypermodel, space),
            executions_per_trial=executions_per_trial,
            directory=directory,
            project_name=project_name,
            overwrite=overwrite,
            **kwargs,
        )
        own = self.oracle  # type: ignore[has-type]
        self._results = Results(own, Path(self.project_dir), self.run_dir)

    @data_are_one_argument
    def search(self, dataset: Any, *, verbose: int = 1, **arguments: Any) -> None:
        """Runs trials until the oracle has no more, or goes on with them.

        Args:
            dataset: See `find_ticket`: arrays, a `tf.data.Dataset`, or a function of
                the seed.
            verbose: As in Keras: 0 is silent, 1 has a bar inside a round, below a table
                of the trials, and a line for each; 2, and where there is no terminal,
                has no bar and a table after each trial.
            **arguments: Those of `find_ticket`: fields of a `Plan`, such as `rounds`
                and `epochs`, validation_data, test_data, callbacks, strategy. What is
                told here is fixed: the space does not offer it any more.

        Raises:
            ValueError, TypeError: What no trial could use, before any begins.
            PlanMismatchError: The directory holds another sweep.
        """
        known = PLAN_FIELDS | _TRAINER
        if unknown := sorted(set(arguments) - known):
            close = difflib.get_close_matches(unknown[0], known, 1)
            raise TypeError(
                "`search` takes one `dataset` and arguments of `find_ticket`, but for "
                "those that the tuner has itself: `directory`, `seed` and "
                f"`executions_per_trial`. Received: {', '.join(unknown)}."
                + (f" Did you mean {close[0]}?" if close else "")
            )
        told = {name: arguments[name] for name in arguments if name in PLAN_FIELDS}
        if self._shortest and (told.get("steps") or "epochs" in told):
            raise ValueError(
                "Hyperband gives the length of a training in epochs, up to its "
                "`max_epochs`. Received: `epochs` or `steps`. Leave them out."
            )
        others = {name: arguments[name] for name in arguments if name in _TRAINER}
        self.hypermodel.tell(told)
        space = self._space()
        trainers = Trainers(dataset, **others)
        if not self.is_chief:  # it trains nothing
            self._check(trainers, space)
        self.oracle.verbose = 0  # its tables; ours have what a lottery is about
        self._verbose = verbose
        with contextlib.ExitStack() as stack:
            stack.enter_context(Leaving(_GOES_ON))
            stack.enter_context(stopped.whole_files())
            stack.enter_context(failures.in_words())
            if not self.is_worker:
                stack.enter_context(stopped.alone(Path(self.project_dir)))
                self._go_on(space)
                stack.enter_context(failures.ending_together(self.oracle))
            super().search(trainers)

    def _go_on(self, space: keras_tuner.HyperParameters) -> None:
        """Takes up what the directory holds, which may be more than at first."""
        if Path(self._get_tuner_fname()).exists():
            self.reload()
        if self.oracle.trials:
            stopped.restore(self.oracle)
        else:
            self.oracle.hyperparameters = space

    def run_trial(self, trial: Any, trainers: Trainers) -> dict[str, float]:
        """The figures of a search with the trial's choices."""
        hp = trial.hyperparameters
        if self._verbose:
            most = self.oracle.max_trials
            number = f"{trial.trial_id} (of {most})" if most else trial.trial_id
            print(f"\nTrial {number}: {in_words(values_of(hp))}")
        with failures.judged():
            trainer = trainers.of(lambda: self.hypermodel.model(hp), self._plan(hp))
            ticket = search(
                trainer,
                run_dir=self.run_dir(trial.trial_id),
                share_with=self.project_dir,
                verbose=self._verbose,
                above=self._table() if self._is_live else "",
            )
        assert ticket.history is not None
        return reported(figures(ticket.history), self.oracle.objective)

    def on_search_begin(self) -> None:
        """Saves the sweep, which Keras Tuner does only after its first trial."""
        super().on_search_begin()
        self.save()

    def on_trial_end(self, trial: Any) -> None:
        """Ends the trial, and shows how the sweep stands."""
        super().on_trial_end(trial)
        if self._verbose and trial.status != "COMPLETED":
            print(f"Trial {trial.trial_id} failed: {failures.reason(trial)}")
        if self._verbose and not self._is_live:
            print(self.sweep().table(_SHOWN))

    def run_dir(self, trial_id: str) -> Path:
        """The run directory of a trial's search."""
        return Path(self.get_trial_dir(trial_id)) / "search"

    def get_best_tickets(self, num_tickets: int = 1) -> list[Ticket]:
        """The tickets of the best finished trials, with their histories."""
        return self._results.best_tickets(num_tickets)

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """The trained models of the best tickets: `ticket.model("best")`."""
        return [ticket.model("best") for ticket in self.get_best_tickets(num_models)]

    def load_model(self, trial: Any) -> Any:
        """The trained model of a trial's ticket."""
        return self._results.ticket(trial).model("best")

    def sweep(self) -> Sweep:
        """The finished trials, best first, for tables and figures."""
        return self._results.sweep()

    def results_summary(self, num_trials: int = 10) -> None:
        """Prints the best trials, the Pareto front, and how much was trained."""
        print(self.sweep().summary(num_trials))

    @property
    def _is_live(self) -> bool:
        """Whether the table of the trials stands above the bars."""
        return self._verbose == 1 and rich.console.Console().is_terminal

    def _table(self) -> str:
        """The best trials, as many as leave a line for the bar."""
        size = shutil.get_terminal_size((88, 24))
        lines = self.sweep().table(width=size.columns).splitlines()
        room = size.lines - 4
        return "\n".join(lines if len(lines) <= room else [*lines[: room - 1], "..."])

    def _space(self) -> keras_tuner.HyperParameters:
        """What there is to choose: the oracle's own, the space's and the model's."""
        own = self.oracle  # type: ignore[has-type]
        registered = keras_tuner.HyperParameters()
        registered.merge(
            [e for e in self._registered.space if e.name not in self.hypermodel.told]
        )
        self.oracle = keras_tuner.oracles.RandomSearchOracle(
            hyperparameters=registered,
            allow_new_entries=own.allow_new_entries,
            tune_new_entries=own.tune_new_entries,
        )
        try:
            self._populate_initial_space()
            return self.oracle.get_space()
        finally:
            self.oracle = own

    def _check(self, trainers: Trainers, space: keras_tuner.HyperParameters) -> None:
        """Raises what every trial would, and if the directory is another sweep's."""
        if self._shortest:
            space.values[EPOCHS] = self._shortest
        plan = self._plan(space)
        space.values.pop(EPOCHS, None)
        trainer = trainers.of(lambda: self.hypermodel.model(space), plan)
        if trainer.workers.count > 1:
            raise ValueError(
                "A trial is searched in one process. Received: a strategy with "
                f"{trainer.workers.count} workers. Share the trials out instead, with "
                "Keras Tuner's chief and workers."
            )
        monitor = plan.monitor or trainer.monitors[0]
        objective = self.oracle.objective
        check_objective(objective, trainer.monitors, maximizes(monitor, plan))
        found = describe(plan, **trainer.facts)
        names = {each.name: each.get_config() for each in space.space}
        sweep_file.write(
            Path(self.project_dir),
            {
                **self._oracle_facts,
                "space": names,
                "objective": {each.name: each.direction for each in all_of(objective)},
                "plan": found["plan"],
                "model": {k: found[k] for k in ("architecture", "compile_config")},
                "data": found["data"],
            },
        )

    def _plan(self, hp: keras_tuner.HyperParameters) -> Plan:
        hypermodel: SearchedModel = self.hypermodel
        return hypermodel.plan(hp, self._seed, self.executions_per_trial)
