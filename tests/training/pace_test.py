"""Calls of many steps, but short ones, however slow the data are."""

from tf_lottery.training.pace import Pace

SECONDS = 2.0


def sizes(seconds_a_step, calls=12, least=1):
    pace, found = Pace(least, 50), []
    for _ in range(calls):
        found.append(pace.size)
        pace.measured(pace.size, pace.size * seconds_a_step)
    return found


def test_it_begins_with_few_steps_and_doubles():
    assert sizes(0.001) == [1, 2, 4, 8, 16, 32, *[50] * 6]


def test_no_call_lasts_longer_than_allowed():
    assert sizes(0.3) == [1, 2, 4, *[6] * 9]
    assert set(sizes(9.0)) == {1}


def test_a_group_of_the_users_is_not_divided():
    assert sizes(9.0, least=8) == [8] * 12


def test_data_that_become_slow_are_followed():
    pace = Pace(1, 50)
    for _ in range(6):
        pace.measured(pace.size, 0.0)
    assert pace.size == 50
    pace.measured(50, 15.0)
    assert pace.size == 6
