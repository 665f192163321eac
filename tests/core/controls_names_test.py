"""A control has a name, by which a plan and a file know it."""

import functools

import pytest

from tests.core.controlling import ALL
from tf_lottery.core import controls
from tf_lottery.core.callables import _Named, name_of
from tf_lottery.core.choices import CONTROLS, name_of_control


@pytest.mark.parametrize("name", ALL)
def test_a_name_gets_its_control(name):
    assert controls.get(name) is getattr(controls, name)
    assert name_of_control(name) == name_of_control(controls.get(name)) == name


def test_a_plan_knows_the_names_of_all_controls():
    assert tuple(controls.NAMES) == CONTROLS


def test_a_callable_is_its_own_control():
    assert controls.get(controls.shuffle) is controls.shuffle
    assert controls.get(max) is max


@pytest.mark.parametrize("bad", ["reinitialise", "", None, 3])
def test_an_unknown_name_is_an_error_that_lists_the_known(bad):
    with pytest.raises(ValueError, match=r"`controls`.*'reinit'.*'rewound'") as error:
        controls.get(bad)
    assert repr(bad) in str(error.value)


def test_the_name_of_an_unknown_control_is_an_error_too():
    with pytest.raises(ValueError, match="must be one of"):
        name_of_control("reinitialise")


class Halved:
    def __call__(self, ticket, context):
        return ticket

    def method(self, ticket, context):
        return ticket

    @staticmethod
    def static(ticket, context):
        return ticket


def test_callables_have_the_name_of_their_function_or_class():
    def inner(ticket, context):
        return ticket

    assert name_of_control(inner) == "inner"
    assert name_of_control(Halved()) == "Halved"
    assert name_of_control(Halved().method) == "method"
    assert name_of_control(Halved.static) == "static"


def test_a_control_that_a_file_names_has_the_same_name():
    for control in (controls.shuffle, Halved(), Halved.static):
        known = _Named(name_of(control))
        assert name_of_control(known) == name_of_control(control)


@pytest.mark.parametrize(
    "control",
    [
        lambda t, c: t,
        functools.partial(controls.reinit),
        _Named("m:f.<lambda>"),
    ],
    ids=["lambda", "partial", "lambda in a file"],
)
def test_what_has_no_name_is_an_error_that_says_what_to_use(control):
    with pytest.raises(ValueError, match="named function instead of a lambda"):
        name_of_control(control)
