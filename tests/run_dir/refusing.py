"""A damaged run directory is refused by all that reads it."""

import pytest

from tests.fakes import FakeTrainer
from tests.search.searching import PLAN, search
from tf_lottery.core.errors import TicketError
from tf_lottery.run_dir.run_dir import load_history
from tf_lottery.run_dir.verify import verify


def resumed(run):
    search(run, FakeTrainer(PLAN))


def fails(run, message):
    """Reading, checking and going on name what is wrong."""
    for act in (load_history, lambda path: list(verify(path)), resumed):
        with pytest.raises(TicketError, match=message) as error:
            act(run)
        assert "\n" not in str(error.value)
