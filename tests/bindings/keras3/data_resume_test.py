"""A search is resumed bit for bit in whatever form its data are."""

import itertools

import keras
import numpy as np
import pytest

from tests.bindings.keras3 import forms, killing, models
from tests.bindings.keras3.data_test import ARRAYS, SEEDED
from tests.fakes import Killed
from tf_lottery import find_ticket
from tf_lottery.training import checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:A training|No ticket|The|Without|No v"),
]


class Killer(keras.callbacks.Callback):
    """Ends a search at the beginning of the n-th epoch that it sees."""

    def __init__(self, at):
        super().__init__()
        self.epochs = itertools.count(1)
        self.at = at

    def on_epoch_begin(self, epoch, logs=None):
        if next(self.epochs) == self.at:
            raise Killed


def search(data, path, kill_at=None):
    try:
        find_ticket(
            models.with_state(),
            data,
            1,
            epochs=3,
            rewind_to=2,
            validation_data=models.arrays(32, seed=1),
            run_dir=path,
            callbacks=Killer(kill_at),
            verbose=0,
        )
    except Killed:
        return False
    return True


@pytest.mark.parametrize("form", ["arrays", *SEEDED])
def test_a_search_is_resumed_bit_for_bit(form, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_SHARE", np.inf)
    make = {**SEEDED, **ARRAYS}[form]
    assert search(make(), tmp_path / "whole")
    for epoch in (3, 3):
        assert not search(make(), tmp_path / "killed", epoch)
    assert search(make(), tmp_path / "killed")
    whole, killed = (killing.files(tmp_path / name) for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert [name for name in whole if whole[name] != killed[name]] == []


def test_a_generator_that_was_passed_can_be_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_SHARE", np.inf)

    def go(kill_at=None):
        try:
            return find_ticket(
                models.compiled(models.tiny()),
                forms.endless(),
                1,
                epochs=2,
                steps_per_epoch=4,
                run_dir=tmp_path,
                callbacks=Killer(kill_at),
                verbose=0,
            )
        except Killed:
            return None

    assert go(4) is None
    assert len(go().history) == 2
