"""The arguments of `find_ticket` that are choices of a plan are those of a plan."""

import dataclasses
import inspect

import pytest

from tf_lottery.core.plan import Plan
from tf_lottery.search.find import find_ticket

ARGUMENTS = inspect.signature(find_ticket).parameters


@pytest.mark.parametrize(
    "field", dataclasses.fields(Plan), ids=lambda field: field.name
)
def test_every_choice_of_a_plan_is_an_argument_with_its_default(field):
    argument = ARGUMENTS[field.name]
    if field.name == "layer_rates":
        assert (argument.default, Plan(layer_rates=None)) == (None, Plan())
        return
    assert argument.default == field.default
    if field.name != "controls":  # kept as a tuple, passed as any sequence
        assert argument.annotation == field.type


def test_the_choices_of_a_call_become_a_plan():
    call = {"rounds": 3, "layer_rates": None, "controls": ["reinit"], "verbose": 0}
    assert Plan.of(call) == Plan(rounds=3, controls=("reinit",))


def test_an_argument_that_does_not_exist_is_one_line():
    with pytest.raises(TypeError, match="unexpected keyword argument 'round'"):
        find_ticket(None, None, round=3)
