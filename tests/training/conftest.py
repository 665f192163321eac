"""What tests of trainings share."""

import numpy as np
import pytest


@pytest.fixture
def always_written(monkeypatch):
    """Checkpoints at each epoch's end, however short the epochs are."""
    from tf_lottery.training import run

    monkeypatch.setattr(run, "_SHARE", np.inf)
