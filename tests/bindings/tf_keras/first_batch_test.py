"""A run directory is held against the first batch of data that give batches."""

import json

import pytest

from tests.bindings.tf_keras.forms import (
    Changing,
    Sequence,
    endless,
    seeded_data,
    unknown,
)
from tests.models import arrays, batches, compiled, tf, tiny
from tf_lottery import find_ticket
from tf_lottery.bindings.tf_shared.data.feeding import first_digests

pytestmark = pytest.mark.filterwarnings("ignore:Without|No verdict|No ticket|The tick")


class Moved(Sequence):
    def __init__(self, more):
        super().__init__()
        self.more = more

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x + self.more, y


def search(data, path, **more):
    more |= {"steps_per_epoch": 2, "run_dir": path, "verbose": 0}
    return find_ticket(compiled(tiny()), data, 1, **more)


def compared(path):
    return json.loads((path / "plan.json").read_text())["first_batches"]


FORMS = {
    "sequence": Moved,
    "dataset": lambda more: batches().map(lambda x, y: (x + more, y)),
}


@pytest.mark.parametrize("form", FORMS)
def test_another_first_batch_is_said_each_time(form, tmp_path):
    make = FORMS[form]
    search(make(0), tmp_path, validation_data=make(0))
    before = compared(tmp_path)
    assert set(before) == {"dataset", "validation_data"}
    for _ in range(2):
        with pytest.warns(UserWarning) as caught:
            search(make(1), tmp_path, validation_data=make(1))
        said = [str(w.message) for w in caught if "first batch" in str(w.message)]
        assert [name in each for name, each in zip(sorted(before), said, strict=True)]
    assert compared(tmp_path) == before


@pytest.mark.parametrize("make", [arrays, unknown, Changing, endless])
def test_what_reading_changes_is_not_compared(make, tmp_path):
    search(make(), tmp_path)
    assert compared(tmp_path) == {}


def test_texts_and_ragged_rows_have_a_digest_of_their_values():
    def digest(words, lengths):
        x = {"words": tf.constant(words), "rows": tf.ragged.range(lengths)}
        dataset = tf.data.Dataset.from_tensor_slices((x, [0, 1])).batch(2)
        return first_digests(seeded_data(dataset))["dataset"]

    assert digest(["a", "b"], [1, 2]) == digest(["a", "b"], [1, 2])
    different = [(["a", "b"], [1, 2]), (["a", "c"], [1, 2]), (["a", "b"], [2, 2])]
    assert len({digest(*each) for each in different}) == 3
