"""A longer dense training goes on from the end of a shorter one, bit for bit."""

import pytest

from tests.fakes import Killed
from tests.models import (
    BATCH,
    STEPS,
    arrays,
    compiled,
    keras,
    tiny,
    with_state,
)
from tests.training.trainings import Kill, assert_same_rounds, shuffled, slices
from tf_lottery import find_ticket
from tf_lottery.run_dir.replicate_dir import Replicate

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Nothing")

Adam = keras.optimizers.Adam
DECAY = keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.9)
MODELS = {
    "state": lambda: compiled(with_state()),
    "averages": lambda: compiled(tiny(), Adam(0.05, use_ema=True)),
    "schedule": lambda: compiled(tiny(), Adam(DECAY)),
}
DATA = {
    "arrays": lambda: (arrays(), {"batch_size": BATCH}),
    "shuffle": lambda: (lambda seed: shuffled(), {}),
    "endless": lambda: (slices().batch(BATCH).repeat(), {"steps_per_epoch": 5}),
    "short epochs": lambda: (lambda seed: shuffled(), {"steps_per_epoch": 4}),
}


def search(path, epochs, name, model="state", data="arrays", **arguments):
    """A search below a path, with the others there to share with."""
    dataset, more = DATA[data]()
    plan = {"epochs": epochs} | more | arguments
    made = MODELS[model]()
    return find_ticket(
        made,
        dataset,
        1,
        validation_data=arrays(32, 1),
        run_dir=path / name,
        share_with=path,
        verbose=2,
        **plan,
    )


CASES = {
    "state": {},
    "averages": {"model": "averages"},
    "schedule": {"model": "schedule"},
    "shuffle": {"data": "shuffle"},
    "endless": {"data": "endless"},
    "short epochs": {"data": "short epochs"},
    "fine-tuning": {"retrain": "fine_tune", "rewind_to": 0},
    "learning rate rewinding": {"retrain": "lr_rewind", "rewind_to": 0},
}


@pytest.mark.parametrize("of", CASES.values(), ids=CASES)
def test_a_longer_training_is_as_if_it_had_begun_anew(tmp_path, capsys, of):
    of = {"rewind_to": 3, **of}
    alone = search(tmp_path / "alone", 4, "long", **of)
    search(tmp_path / "shared", 1, "shortest", **of)
    search(tmp_path / "shared", 2, "short", **of)
    capsys.readouterr()
    longer = search(tmp_path / "shared", 4, "long", **of)
    at = 2 * DATA[of.get("data", "arrays")]()[1].get("steps_per_epoch", STEPS)
    assert f"goes on from step {at}, where {tmp_path}" in capsys.readouterr().out
    assert_same_rounds(longer.history, alone.history)


OTHERWISE = {
    "another seed": ({}, {"seed": 1}),
    "another batch size": ({}, {"batch_size": 8}),
    "other validation steps": ({"evaluate_every": 3}, {"evaluate_every": 2}),
    "another point to rewind to": ({"rewind_to": 2}, {"rewind_to": 4}),
    "a rewind to where the shorter one has been": ({}, {"rewind_to": 4}),
    "an end within an epoch": ({"steps": STEPS + 1, "epochs": 1}, {}),
    "an end between validation passes": ({"evaluate_every": 4},) * 2,
    "another way to retrain": ({}, {"retrain": "fine_tune"}),
}


@pytest.mark.parametrize("shorter, longer", OTHERWISE.values(), ids=OTHERWISE)
def test_what_is_not_the_beginning_of_a_training_is_not_continued(
    tmp_path, capsys, shorter, longer
):
    search(tmp_path, **{"epochs": 1, "name": "short", **shorter})
    search(tmp_path, **{"epochs": 3, "name": "long", **longer})
    assert "goes on" not in capsys.readouterr().out


def test_a_later_rewind_than_the_shorter_one_had_steps_is_met_on_the_way(
    tmp_path, capsys
):
    later = {"rewind_to": STEPS + 2}
    alone = search(tmp_path / "alone", 3, "long", **later)
    search(tmp_path / "shared", 1, "short")
    capsys.readouterr()
    longer = search(tmp_path / "shared", 3, "long", **later)
    assert f"goes on from step {STEPS}, where" in capsys.readouterr().out
    assert_same_rounds(longer.history, alone.history)


def test_only_the_end_of_a_dense_training_is_kept(tmp_path):
    search(tmp_path, 2, "short")
    (kept,) = tmp_path.rglob("checkpoint*")
    assert kept.parent == Replicate(tmp_path / "short/replicate_0").directory(0)
    made = compiled(tiny())
    find_ticket(made, arrays(), 1, run_dir=tmp_path / "alone", verbose=0)
    assert list(tmp_path.rglob("checkpoint*")) == [kept]


def test_a_longer_training_that_was_killed_goes_on_from_its_own_checkpoint(
    tmp_path, capsys, always_written, monkeypatch
):
    alone = search(tmp_path / "alone", 4, "long")
    search(tmp_path / "shared", 1, "short")
    kill = Kill("on_epoch_begin", 3)
    monkeypatch.setattr("tf_lottery.training.trainer.shareable.unknown", lambda *_: "")
    with pytest.raises(Killed):
        search(tmp_path / "shared", 4, "long", callbacks=[kill])
    capsys.readouterr()
    longer = search(tmp_path / "shared", 4, "long")
    assert f"round 0 goes on from step {3 * STEPS}.\n" in capsys.readouterr().out
    assert_same_rounds(longer.history, alone.history)


def truncated(content):
    return content[:100]


def flipped(content):
    changed = bytearray(content)
    changed[200] ^= 0xFF  # in an array, not in the header
    return bytes(changed)


@pytest.mark.parametrize("damage", [truncated, flipped])
def test_a_damaged_end_of_another_search_is_passed_over(tmp_path, capsys, damage):
    search(tmp_path, 1, "shorter")
    search(tmp_path, 2, "short")
    for kept in tmp_path.rglob("checkpoint*"):
        kept.write_bytes(damage(kept.read_bytes()))
    capsys.readouterr()
    longer = search(tmp_path, 3, "long")
    assert "goes on" not in capsys.readouterr().out
    search(tmp_path, 2, "short")  # it is finished, and needs no checkpoint
    alone = search(tmp_path.parent / f"{tmp_path.name}_alone", 3, "long")
    assert_same_rounds(longer.history, alone.history)


def test_a_search_that_fine_tunes_keeps_no_state_twice(tmp_path):
    search(tmp_path, 1, "short", retrain="fine_tune")
    assert [path.name for path in tmp_path.rglob("checkpoint*")] == [
        "checkpoint.safetensors"
    ]
