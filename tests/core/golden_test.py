"""The format of files does not change by accident: a ticket of before, byte for byte.

Where the format changes on purpose, `python -m tests.core.golden_test NUMBER` writes
the ticket of today to a new file, and those of before stay: they must be readable.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.core.files import GROUPS, MASKS
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import FoundTicket

FILES = sorted((Path(__file__).parent / "golden").iterdir())


def ticket():
    weights = {"k": GROUPS["state"]["k"], "bias": np.float32([0.25, 1, -2])}
    outcome = Outcome(
        weights=weights,
        best_weights={path: 2 * array for path, array in weights.items()},
        best_step=50,
        last_step=100,
        metrics={"val_accuracy": 0.9, "val_loss": 0.3},
        curves={"step": [50, 100], "val_loss": [0.3, 0.4]},
    )
    return FoundTicket(
        MASKS,
        GROUPS["state"],
        step=3,
        round=2,
        plan=Plan(rounds=2, rewind_to=3, controls=("reinit",), layer_rates={"k": 0.4}),
        architecture={"binding": "fake", "layers": ["ü", None, 1.5, True]},
        outcome=outcome,
        rows=({"round": 0, "density": 1.0}, {"round": 1, "density": 0.375}),
        won=True,
        reason="It wins.",
    )


def test_a_ticket_is_written_byte_for_byte_as_before(tmp_path):
    path = tmp_path / "ticket.safetensors"
    ticket().save(path)
    assert path.read_bytes() == FILES[-1].read_bytes()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_ticket_of_before_is_read_with_all_that_it_held(path):
    found, expected = FoundTicket.load(path), ticket()
    assert found.masks == expected.masks
    for name in ("step", "round", "plan", "architecture", "rows", "won", "reason"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.outcome.record() == expected.outcome.record()
    assert same(found.state, expected.state)
    assert same(found.outcome.weights, expected.outcome.weights)
    assert same(found.outcome.best_weights, expected.outcome.best_weights)


def same(found, expected):
    """Whether two groups have the same arrays, to the bit."""
    return {name: described(found[name]) for name in found} == {
        name: described(array) for name, array in expected.items()
    }


def described(array):
    return str(array.dtype), array.shape, array.tobytes()


if __name__ == "__main__":
    name = f"ticket_{int(sys.argv[1]):02d}.safetensors"
    ticket().save(Path(__file__).parent / "golden" / name)
