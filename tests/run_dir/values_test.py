"""Tickets, outcomes, rounds and histories are values: they travel with their arrays."""

import copy
import dataclasses
import gc
import multiprocessing
import pickle
import tempfile

import numpy as np
import pytest

from tests.fakes import SHAPES, FakeTrainer, outcome, written
from tests.run_dir.contents import content, which
from tests.search.searching import PLAN, search
from tf_lottery.core import archive
from tf_lottery.core.arrays import compact
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import FoundTicket, Ticket
from tf_lottery.run_dir.run_dir import RunDir

COPIES = {
    **{
        f"pickle {protocol}": lambda value, p=protocol: pickle.loads(
            pickle.dumps(value, p)
        )
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
    "deepcopy": copy.deepcopy,
}
copies = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory of a search with replicates and controls."""
    path = tmp_path_factory.mktemp("run")
    search(path, FakeTrainer(PLAN))
    return path


def temporary(plan=PLAN):
    """The history of a search whose directory goes with it, and that directory."""
    directory = tempfile.TemporaryDirectory()
    search(directory.name, FakeTrainer(plan))
    return RunDir(directory.name, directory).history(), directory.name


def returned(history):
    """The ticket of the last round, as a search returns it."""
    rows = tuple(history.rows())
    return dataclasses.replace(history[-1].trained, history=history, rows=rows)


def contents(history):
    return {which(each): content(each) for each in history.trainings()}


@copies
def test_a_copied_history_outlives_its_directory(copied):
    history, path = temporary()
    expected, copy_of = contents(history), copied(history)
    del history
    gc.collect()
    with pytest.raises(FileNotFoundError):
        archive.Archive(f"{path}/replicate_0/round_00/outcome.safetensors")
    assert contents(copy_of) == expected
    assert copy_of.plan == PLAN


@copies
@pytest.mark.parametrize(
    "part",
    [
        lambda history: history[1],
        lambda history: history.controls[0],
        lambda history: history[1].trained,
    ],
    ids=["round", "control", "ticket"],
)
def test_a_copied_part_of_a_history_outlives_its_directory(copied, part):
    history, _ = temporary()
    value = part(history)
    ticket = getattr(value, "ticket", value)
    expected = {name: np.array(array) for name, array in ticket.state.items()}
    weights = {n: np.array(a) for n, a in value.outcome.weights.items()}
    copy_of = copied(value)
    del history, value, ticket
    gc.collect()
    ticket = getattr(copy_of, "ticket", copy_of)
    assert ticket.state.keys() == expected.keys()
    assert all(np.array_equal(ticket.state[n], a) for n, a in expected.items())
    assert all(
        np.array_equal(copy_of.outcome.weights[n], a) for n, a in weights.items()
    )


@copies
def test_a_copied_ticket_outlives_its_file(copied, tmp_path):
    path = tmp_path / "ticket.safetensors"
    returned(written(tmp_path / "run", Plan(rounds=2)).history()).save(path)
    expected = Ticket.load(path)
    expected.verify()
    copy_of = copied(expected)
    weights = {n: np.array(a) for n, a in expected.weights.items()}
    path.unlink()
    copy_of.verify()
    assert copy_of.masks == expected.masks
    assert copy_of.rows == expected.rows
    assert all(np.array_equal(copy_of.weights[n], a) for n, a in weights.items())
    copy_of.save(path)
    Ticket.load(path).verify()


def test_a_ticket_keeps_its_temporary_directory_for_as_long_as_it_lives():
    history, path = temporary()
    ticket = returned(history)
    lone = dataclasses.replace(ticket, history=None)
    del history, ticket
    gc.collect()
    lone.verify()
    del lone
    gc.collect()
    with pytest.raises(FileNotFoundError):
        archive.Archive(f"{path}/replicate_0/round_00/outcome.safetensors")


def test_constants_take_one_value_when_they_are_pickled(tmp_path):
    zeros = compact(np.zeros((1000, 1000)))
    group = archive.save(tmp_path / "file", {"state": {"slots": zeros}}, {}).group(
        "state"
    )
    pickled = pickle.dumps(group)
    assert len(pickled) < 1_000
    assert np.array_equal(pickle.loads(pickled)["slots"], zeros)


@copies
def test_a_copied_ticket_leaves_its_data_behind(copied):
    class Data:
        """Cannot be copied, like a dataset."""

        def __reduce__(self):
            raise TypeError("cannot pickle a dataset")

    plain = Ticket(Masks({"k": [True, False]}), {"k": np.ones(2)})
    ticket = dataclasses.replace(FoundTicket.of(plain, outcome({})), data=Data())
    assert copied(ticket).data is None
    assert copy.copy(ticket).data is ticket.data
    assert ticket.data is not None


def own_criterion(ticket, outcome):
    return {name: abs(array) for name, array in outcome.weights.items()}


@copies
def test_a_plan_with_own_functions_travels_by_their_names(copied):
    plan = Plan(rounds=3, criterion=own_criterion, layer_rates={"logits": 0.1})
    assert copied(plan) == plan
    assert copied(plan).criterion is own_criterion
    from_file = Plan.from_json(plan.to_json())
    assert copied(from_file) == plan


@copies
def test_masks_travel(copied):
    masks = Masks.full(SHAPES)
    assert copied(masks) == masks
    assert hash(copied(masks)) == hash(masks)


def total(ticket):
    """In another process."""
    return float(sum(array.sum() for array in ticket.weights.values())), ticket


def test_a_ticket_crosses_to_another_process_and_back(run):
    ticket = RunDir(run).history()[2].trained
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found, back = pool.apply(total, (ticket,))
    assert found == total(ticket)[0]
    back.verify()
    assert back.masks == ticket.masks


def test_outcomes_rounds_and_histories_can_be_compared_and_hashed(run):
    one, other = RunDir(run).history(), RunDir(run).history()
    assert one[0].outcome == one[0].outcome
    assert one[0].outcome != other[0].outcome
    assert one[0] == one[0]
    assert one[0] != other[0]
    assert len({one[0].outcome, one[0].outcome, other[0].outcome}) == 2
    assert len({one, one, other}) == 2
    assert len({one[0], one[0], other[0]}) == 2
    assert one == one
    assert one != other


def test_equal_plans_have_equal_hashes():
    plans = [
        (Plan(), Plan(tolerance=0)),
        (
            Plan(layer_rates={"a": 0.1, "b": 0.2}),
            Plan(layer_rates={"b": 0.2, "a": 0.1}),
        ),
        (
            Plan(controls=["reinit"], control_rounds={"reinit": [1]}),
            Plan(controls=("reinit",), control_rounds={"reinit": (1,)}),
        ),
        (
            Plan(criterion=own_criterion),
            Plan.from_json(Plan(criterion=own_criterion).to_json()),
        ),
    ]
    for one, other in plans:
        assert one == other
        assert hash(one) == hash(other)
    assert len({plan for pair in plans for plan in pair}) == len(plans)
