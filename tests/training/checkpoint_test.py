"""The file that a training continues from: whole, of this training, or not used."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.core.files import forge, span
from tests.fakes import FakeTrainer
from tests.search.searching import search
from tf_lottery.core import archive
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.training.checkpoint import Checkpoint, Run

MASKS = Masks({"k": [[True, False, True]]})
STATE = {"k": np.float32([[1, 0, 2]]), "optimizer:m/k": np.zeros((1, 3), "f4")}
BEST = {"k": np.float32([[3, 0, 4]])}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


def saved(path, step=7, state=STATE, key="a training"):
    """A checkpoint that was written behind the step that is rewound to."""
    checkpoint = Checkpoint(path, MASKS, key)
    start = checkpoint.keep("next", {"k": state["k"] + 1})
    run = Run(step, best_weights=BEST, next_start=(3, start), curves={"step": [step]})
    checkpoint.save(run, SimpleNamespace(view=lambda: state))
    return Checkpoint(path, MASKS, key)


def test_a_training_continues_from_what_was_written(path):
    checkpoint = saved(path)
    checkpoint.forget_unusable({})
    run, state = checkpoint.load()
    assert (checkpoint.step, run.step, run.curves) == (7, 7, {"step": [7]})
    assert all(np.array_equal(state[name], STATE[name]) for name in STATE)
    assert np.array_equal(run.best_weights["k"], BEST["k"])
    step, start = run.next_start
    assert (step, start["k"].tolist()) == (3, [[2, 1, 3]])


def flipped(path, name):
    content = bytearray(path.read_bytes())
    content[span(path, name)[0]] ^= 1
    path.write_bytes(content)


def of_another(path):
    """The state to rewind to of another training, whose masks are the same."""
    other = {name: array * 3 for name, array in STATE.items()}
    saved(path.with_name("other.safetensors"), state=other)
    path.with_name("other_next.safetensors").replace(next_of(path))


def next_of(path):
    return path.with_stem("checkpoint_next")


DAMAGE = {
    "the state": lambda path: flipped(path, "state/k"),
    "the best weights": lambda path: flipped(path, "best/k"),
    "the masks": lambda path: flipped(path, "masks/k"),
    "the later start": lambda path: flipped(next_of(path), "kept/k"),
    "the header": lambda path: path.write_bytes(b"\1" + path.read_bytes()[1:]),
    "the end": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "all of it": lambda path: path.write_bytes(b""),
    "an earlier format": lambda path: np.savez(path.open("wb"), a=np.zeros(3)),
    "no later start": lambda path: next_of(path).unlink(),
    "the later start of another": of_another,
    "no run": lambda path: forge(path, lambda old: {**old, "run": None}),
    "an unknown run": lambda path: forge(path, lambda old: {**old, "run": {"x": 1}}),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_goes_with_one_warning(path, damage):
    checkpoint = saved(path)
    damage(path)
    with pytest.warns(UserWarning, match=r"checkpoint.*begins again") as warned:
        checkpoint.forget_unusable({})
    assert len(warned) == 1
    assert not list(path.parent.glob("checkpoint*"))
    assert (checkpoint.step, checkpoint.load()) == (0, None)
    checkpoint.forget_unusable({})
    assert saved(path, step=9).step == 9


def test_a_checkpoint_of_another_training_is_not_continued_and_not_removed(path):
    saved(path)
    other = Checkpoint(path, MASKS, "another training")
    other.forget_unusable({})
    assert (other.step, other.load()) == (0, None)
    assert saved(path).step == 7


def test_files_that_were_left_behind_go_when_the_training_is_finished(path):
    checkpoint = saved(path)
    checkpoint.keep("final", STATE)
    path.unlink()
    checkpoint.forget_unusable({})
    assert checkpoint.step == 0
    checkpoint.finish()
    assert list(path.parent.iterdir()) == []


def test_a_search_goes_on_past_a_damaged_checkpoint(tmp_path):
    plan = Plan(rounds=2)
    search(tmp_path, FakeTrainer(plan, die_in=1))
    path = tmp_path / "replicate_0" / "round_01" / "checkpoint.safetensors"
    path.write_bytes(b"not a checkpoint")
    with pytest.warns(UserWarning, match="begins again"):
        found = search(tmp_path, FakeTrainer(plan))
    assert [round.number for round in found] == [0, 1, 2]
    assert not list(tmp_path.rglob("checkpoint*"))


def test_a_run_without_a_later_start_needs_no_other_file(path):
    checkpoint = Checkpoint(path, MASKS)
    checkpoint.save(Run(5, best_weights=BEST), SimpleNamespace(view=lambda: STATE))
    next_of(path).write_bytes(b"of a training before")
    again = Checkpoint(path, MASKS)
    again.forget_unusable({})
    assert again.step == 5
    assert archive.Archive(path).header["next_digest"] is None
