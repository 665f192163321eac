"""A run directory is held against the first batch of data that give batches."""

import json
import warnings

import keras
import numpy as np
import pytest

from tests.bindings.keras3 import forms, models
from tests.bindings.keras3.forms import BATCH, X, Y
from tf_lottery import find_ticket
from tf_lottery.run_dir.sealed import write_record

SAID = "another first batch of `{}`.*not trained again.*overwrite=True"
pytestmark = pytest.mark.filterwarnings("ignore:Without|No verdict|No ticket|The tick")


class Dataset(keras.utils.PyDataset):
    def __init__(self, more):
        super().__init__()
        self.more = more

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X[:BATCH] + self.more, Y[:BATCH]


def rows(more):
    return list(zip(X + np.float32(more), Y, strict=True))


FORMS = {
    "sequence": Dataset,
    "function that generates": lambda more: lambda seed: iter(Dataset(more)),
    "loader": lambda more: forms.loader(rows(more), shuffle=True),
    "dataset": lambda more: forms.slices().batch(BATCH).map(lambda x, y: (x + more, y)),
}
NOT_COMPARED = {
    "arrays": lambda more: (X, Y),
    "dataset that shuffles": lambda more: forms.shuffled(1),
    "sequence that changes": lambda more: forms.Changing(),
    "generator": lambda more: forms.endless(),
}


def search(data, path, **more):
    more |= {"steps_per_epoch": 2, "run_dir": path, "verbose": 0}
    model = models.compiled(models.tiny())
    return find_ticket(model, data, 1, **more)


def compared(path):
    return json.loads((path / "plan.json").read_text())["first_batches"]


@pytest.mark.parametrize("form", FORMS)
def test_another_first_batch_is_said_each_time(form, tmp_path):
    first = search(FORMS[form](0), tmp_path)
    before = compared(tmp_path)
    assert list(before) == ["dataset"]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*first batch")
        search(FORMS[form](0), tmp_path)
    for _ in range(2):
        with pytest.warns(UserWarning, match=SAID.format("dataset")):
            again = search(FORMS[form](1), tmp_path)
        assert again.masks.digest() == first.masks.digest()
    assert compared(tmp_path) == before


@pytest.mark.parametrize("form", FORMS)
def test_validation_data_are_compared_too(form, tmp_path):
    if form == "function that generates":
        pytest.skip("validation data are no function")
    search((X, Y), tmp_path, validation_data=FORMS[form](0))
    with pytest.warns(UserWarning, match=SAID.format("validation_data")):
        search((X, Y), tmp_path, validation_data=FORMS[form](1))


@pytest.mark.parametrize("form", NOT_COMPARED)
def test_what_reading_changes_is_not_compared(form, tmp_path):
    search(NOT_COMPARED[form](0), tmp_path)
    assert compared(tmp_path) == {}


def test_a_run_directory_of_an_earlier_version_is_continued(tmp_path):
    search(Dataset(0), tmp_path)
    plan = tmp_path / "plan.json"
    found = json.loads(plan.read_text())
    del found["first_batches"], found["digest"]
    write_record(plan, found)
    search(Dataset(0), tmp_path)
    assert list(compared(tmp_path)) == ["dataset"]
