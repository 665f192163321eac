"""What must not be left unfinished goes on after a signal, and no error is lost."""

import pytest

from tf_lottery.core import stopping


def raising(*errors):
    """A function that raises these in turn, then returns."""
    left = list(errors)

    def wait():
        if left:
            raise left.pop(0)

    return wait


def test_it_is_called_until_no_signal_interrupts_it():
    last = SystemExit(143)
    assert stopping.insist(raising(KeyboardInterrupt(), last)) is last
    assert stopping.insist(raising()) is None


def test_an_error_of_its_own_is_raised():
    with pytest.raises(RuntimeError, match="mine"):
        stopping.insist(raising(KeyboardInterrupt(), RuntimeError("mine")))
