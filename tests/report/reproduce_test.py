import shlex
from types import SimpleNamespace

import pytest

from tf_lottery import Plan
from tf_lottery.cli import flags
from tf_lottery.cli.main import parse
from tf_lottery.report import reproduce

PLANS = [
    Plan(),
    Plan(rounds=3, epochs=7, layer_rates={"logits": 0.1, "block1/*": 0.0}, seed=5),
    Plan(steps=300, rewind_to="2ep", criterion="movement", monitor="val_loss"),
    Plan(
        controls=("reinit", "shuffle"),
        control_rounds={"reinit": (1, 3), "shuffle": [2]},
    ),
    Plan(controls=("reinit",), control_rounds=(3, 7), replicates=5, block_size=(1, 4)),
    Plan(scope="global", pruning_rate=0.5, retrain="lr_rewind", tolerance=0.01),
]


@pytest.mark.parametrize("plan", PLANS)
def test_the_command_gives_the_plan(plan):
    text = reproduce.command(plan, "my recipes/lenet's.py")
    arguments = parse(shlex.split(text.replace("\\\n", " ")))
    assert arguments.recipe == "my recipes/lenet's.py"
    assert flags.override(Plan(), arguments) == plan


def test_the_length_of_a_training_is_told_even_where_the_recipe_has_another():
    text = reproduce.command(Plan(), "recipe.py")
    assert flags.override(
        Plan(steps=300), parse(shlex.split(text.replace("\\\n", " ")))
    ) == (Plan())


@pytest.mark.parametrize("plan", PLANS)
def test_the_call_gives_the_plan(plan):
    def find_ticket(model, dataset, run_dir, **choices):
        return Plan(**choices)

    names = {"tf_lottery": SimpleNamespace(find_ticket=find_ticket)}
    names |= {"model": None, "dataset": None}
    exec(reproduce.call(plan), names)
    assert names["ticket"] == plan


def test_the_call_names_the_data_that_were_passed():
    text = reproduce.call(Plan(), {"dataset": {}, "validation_data": {}})
    assert "\n    validation_data=validation_data,\n" in text
    assert text.count("dataset,") == 1
    assert "test_data" not in text


def of_my_own(ticket, outcome):
    """A criterion."""


def test_a_criterion_of_ones_own_is_the_recipes():
    plan = Plan(criterion=of_my_own)
    assert "--criterion" not in reproduce.command(plan, "recipe.py")
    assert f"criterion={__name__}.of_my_own" in reproduce.call(plan)
