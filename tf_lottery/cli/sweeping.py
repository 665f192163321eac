"""Makes and runs the tuner of `tf_lottery sweep`, from its flags."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tf_lottery import bindings
from tf_lottery.cli import flags
from tf_lottery.cli.recipes import dataset_of, model_of
from tf_lottery.core.plan import Plan
from tf_lottery.core.seeds import derive
from tf_lottery.tuner._keras_tuner import keras_tuner
from tf_lottery.tuner.lottery_tuner import LotteryTuner
from tf_lottery.tuner.objectives import lottery_objective
from tf_lottery.tuner.space import JUDGES, choices_of, lottery_space, with_plan

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
    varied = _choices(arguments.vary or ())
    if varied:
        space = choices_of(varied)
    own = {"seed", "replicates"}  # which the tuner sets itself
    if arguments.tuner == "hyperband":
        own.add("epochs")
    given = set(flags.given(arguments))
    if both := sorted(given & {*varied}):
        raise ValueError(
            "A field must be either varied or fixed. Received both: "
            f"{', '.join(f'--{name}' for name in both)}."
        )
    model = model_of(recipe, plan)

    def hypermodel(hp: Any) -> Any:
        with bindings.default().under(arguments.dtype_policy):
            return getattr(recipe, "hypermodel", lambda hp: model())(hp)

    tuner = LotteryTuner(
        _oracle(arguments, plan),
        hypermodel,
        space=with_plan(space, plan, own | JUDGES),
        executions_per_trial=plan.replicates,
        seed=plan.seed,
        directory=arguments.directory,
        project_name=arguments.project_name or f"sweep_{Path(arguments.recipe).stem}",
        overwrite=arguments.overwrite,
    )
    fixed = {name: getattr(plan, name) for name in (given | JUDGES) - own}
    dataset = dataset_of(recipe, plan, arguments.limit_batches)
    tuner.search(dataset, verbose=arguments.verbose, **fixed)
    return tuner


def _oracle(arguments: Any, plan: Plan) -> keras_tuner.Oracle:
    if arguments.max_trials is not None and arguments.max_trials < 1:
        raise ValueError(
            f"`--max_trials` must be at least 1. Received: {arguments.max_trials}."
        )
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
        if arguments.max_trials is not None:
            raise ValueError(
                "Hyperband itself decides how many trials there are. Received: "
                f"--max_trials={arguments.max_trials}. Leave it out."
            )
    elif arguments.max_trials is not None or arguments.tuner != "grid":
        given["max_trials"] = arguments.max_trials or _TRIALS
    return _ORACLES[arguments.tuner](**given)


def _objective(text: str) -> keras_tuner.Objective:
    name, colon, direction = text.partition(":")
    if not colon:
        return lottery_objective(name)
    if direction not in ("min", "max"):
        raise ValueError(
            f"The direction of an objective must be min or max. Received: {text!r}."
        )
    return keras_tuner.Objective(name, direction)


def _choices(texts: Sequence[str]) -> dict[str, list[Any]]:
    choices: dict[str, list[Any]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        listed = [value for value in values.split(",") if value]
        if name not in flags.FIELDS or not listed:
            raise ValueError(
                "`--vary` must be like pruning_rate=0.1,0.2, with a field of the plan: "
                f"one of {', '.join(flags.FIELDS)}. Received: {text!r}. Put choices of "
                "the model into the recipe's hypermodel(hp)."
            )
        choices[name] = [flags.parsed(name, value) for value in listed]
        if not all(isinstance(each, int | float | str) for each in choices[name]):
            raise ValueError(
                "The values in `--vary` must be numbers or words. Received: "
                f"{name}, whose values are neither. Write a space(hp) in the recipe."
            )
    return choices
