"""Makes and runs the tuner of `tf_lottery sweep`, from its flags."""

from pathlib import Path
from types import ModuleType
from typing import Any

from tf_lottery import bindings
from tf_lottery.cli import flags
from tf_lottery.cli.recipes import dataset_of, model_of
from tf_lottery.cli.sweep_flags import varied
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive
from tf_lottery.tuner._keras_tuner import keras_tuner
from tf_lottery.tuner.lottery_tuner import LotteryTuner
from tf_lottery.tuner.objectives import lottery_objective
from tf_lottery.tuner.space import SAME, choices_of, lottery_space, with_plan

_TRIALS = 10
_ORACLES = {
    "random": keras_tuner.oracles.RandomSearchOracle,
    "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
    "hyperband": keras_tuner.oracles.HyperbandOracle,
    "grid": keras_tuner.oracles.GridSearchOracle,
}


def swept(recipe: ModuleType, arguments: Any) -> LotteryTuner:
    """The tuner that has run the sweep of a recipe and its flags."""
    plan = flags.override(recipe.PLAN, arguments)
    space = getattr(recipe, "space", lottery_space)
    if choices := varied(arguments):
        space = choices_of(choices)
    own = {"seed", "replicates"}  # which the tuner sets itself
    if arguments.tuner == "hyperband":
        own.add("epochs")
    given = set(flags.given(arguments))
    model = model_of(recipe, plan)

    def hypermodel(hp: Any) -> Any:
        with bindings.default().under(arguments.dtype_policy):
            return getattr(recipe, "hypermodel", lambda hp: model())(hp)

    tuner = LotteryTuner(
        _oracle(arguments, plan),
        hypermodel,
        space=with_plan(space, plan, own | SAME),
        executions_per_trial=plan.replicates,
        seed=plan.seed,
        directory=arguments.directory,
        project_name=arguments.project_name or f"sweep_{Path(arguments.recipe).stem}",
        overwrite=arguments.overwrite,
    )
    fixed = {name: getattr(plan, name) for name in (given | SAME) - own}
    dataset = dataset_of(recipe, plan, arguments.limit_batches)
    tuner.search(dataset, verbose=arguments.verbose, **fixed)
    return tuner


def _oracle(arguments: Any, plan: Plan) -> keras_tuner.Oracle:
    names = arguments.objective.split(",")
    objectives = [_objective(name) for name in names]
    given: dict[str, Any] = {
        "objective": objectives if len(names) > 1 else objectives[0],
        "seed": derive(plan.seed, "oracle") % 2**31 + 1,  # 0 would make it random
    }
    if arguments.tuner == "hyperband":
        if plan.steps is not None:
            raise ValueError(
                "Hyperband needs the length of a training in epochs. Received: a plan "
                f"of {plan.steps:,} steps. Pass `--epochs`, the length of the longest."
            )
        given["max_epochs"] = plan.epochs
    elif arguments.max_trials is not None or arguments.tuner != "grid":
        given["max_trials"] = arguments.max_trials or _TRIALS
    return _ORACLES[arguments.tuner](**given)


def _objective(text: str) -> keras_tuner.Objective:
    name, colon, direction = text.partition(":")
    if not colon:
        return lottery_objective(name)
    return keras_tuner.Objective(name, direction)
