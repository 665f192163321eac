"""Lengths of training in optimizer steps, however they are written."""

import pytest

from tf_lottery.core.steps import check_length, to_steps


@pytest.mark.parametrize(
    ("length", "steps"),
    [(0, 0), (500, 500), ("500it", 500), ("0it", 0), ("2ep", 1834), ("0ep", 0)],
)
def test_every_form_becomes_steps(length, steps):
    check_length("rewind_to", length)
    assert to_steps(length, 917) == steps


@pytest.mark.parametrize(
    "length",
    [-1, 1.5, True, None, "", "500", "it", "-1it", "1.5ep", "2 ep", "2EP", "2ep\n", []],
)
def test_anything_else_is_an_error_that_shows_it(length):
    with pytest.raises(ValueError) as error:
        check_length("rewind_to", length)
    for part in ("`rewind_to`", '"500it" or "2ep"', f"rewind_to={length!r}"):
        assert part in str(error.value)
