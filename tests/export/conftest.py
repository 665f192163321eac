"""What is exported: made once in a process, as no test changes it."""

import dataclasses

import pytest

from tests.export.exporting import (
    FORMATS,
    TEST,
    X,
    dense_network,
    exported,
    search,
    sparsified,
)
from tests.models import arrays, with_state


@pytest.fixture(scope="session")
def ticket():
    """Of a search with test data, in the process of it."""
    found = search(with_state(), validation_data=arrays(32, 1), test_data=TEST)
    last = found.history[2]
    best = {path: weight * 0.5 for path, weight in last.outcome.weights.items()}
    outcome = dataclasses.replace(last.outcome, best_weights=best)
    return dataclasses.replace(
        last.trained, outcome=outcome, history=found.history, data=found.data
    )


@pytest.fixture(scope="session")
def answers(ticket):
    """The outputs of its weights."""
    kinds = ("best", "final", "initial")
    return {kind: ticket.model(kind)(X, training=False).numpy() for kind in kinds}


@pytest.fixture(scope="session")
def files(ticket, tmp_path_factory):
    """The ticket in each format: path and card."""
    return {
        format: exported(ticket, tmp_path_factory.mktemp(format), format)
        for format in FORMATS
    }


@pytest.fixture(scope="session")
def model():
    """A network with a tenth of its weights."""
    return sparsified(dense_network(256, (128, 64)), 0.1)
