"""Mistyped names of arguments."""

import pytest

import tf_lottery
from tf_lottery.cli.main import parse
from tf_lottery.core.plan import Plan

MEANT = r"unexpected keyword argument 'prunning_rate'. Did you mean `pruning_rate`\?"


@pytest.mark.parametrize(
    "call",
    [
        lambda: Plan(rounds=2, prunning_rate=0.1),
        lambda: tf_lottery.find_ticket(None, None, prunning_rate=0.1),
        lambda: tf_lottery.one_shot(None, None, prunning_rate=0.1),
    ],
)
def test_the_argument_that_was_meant_is_named(call):
    with pytest.raises(TypeError, match=MEANT):
        call()


def test_a_name_that_is_near_to_none_is_not_guessed_at():
    with pytest.raises(TypeError, match=r"Plan\(\) got .* argument 'zzz'\.$"):
        Plan(zzz=1)


@pytest.mark.parametrize("flag", ["--prunning_rate=0.1", "--prunning_rate"])
def test_the_flag_that_was_meant_is_named(flag, capsys):
    with pytest.raises(SystemExit):
        parse(["tf_lottery", "find", "a_recipe", flag])
    said = capsys.readouterr().err
    assert f"unrecognized arguments: {flag}. Did you mean `--pruning_rate`?" in said
