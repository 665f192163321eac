"""A ticket is a value that survives its file, and says when it is not whole."""

import dataclasses

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings

from tests.core.files import forge, parts, span
from tests.fakes import FakeTrainer, outcome
from tests.strategies import masked_scores
from tf_lottery.core.archive import Archive, save
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks, masked
from tf_lottery.core.next_ticket import prune_ticket
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import FoundTicket, Ticket

K = "dense/kernel"


def trained(rounds=2, plan=None, **changes):
    """A ticket of that round, with its outcome."""
    plan = plan or Plan(layer_rates={"logits": 0.5})
    trainer = FakeTrainer(plan)
    ticket = trainer.dense()
    for _ in range(rounds):
        ticket = prune_ticket(ticket, trainer.train(ticket), plan)
    found = FoundTicket.of(ticket, trainer.train(ticket))
    return dataclasses.replace(found, **changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ticket.safetensors"


# The value.


def test_density_and_sparsity_are_those_of_the_masks():
    ticket = Ticket(Masks({"k": [True, False, False, False]}), {})
    assert (ticket.density, ticket.sparsity) == (0.25, 0.75)


def test_weights_are_the_state_without_the_optimizer_and_zero_where_removed():
    ticket = trained()
    assert set(ticket.weights) == {n for n in ticket.state if ":" not in n}
    assert not ticket.weights[K][~ticket.masks[K]].any()
    assert (ticket.weights[K] == ticket.state[K])[ticket.masks[K]].all()
    assert ticket.state[K][~ticket.masks[K]].all()


@given(masked_scores())
def test_masked_weights_are_plus_zero_and_the_others_keep_every_bit(drawn):
    masks, arrays = drawn
    for path, mask in masks.items():
        found = masked(arrays[path], mask)
        assert found.dtype == arrays[path].dtype
        assert found[mask].tobytes() == arrays[path][mask].tobytes()
        assert found[~mask].tobytes() == bytes(found[~mask].nbytes)


def test_summary_says_round_density_verdict_and_every_layer():
    text = trained(won=True, reason="A winning ticket: because.").summary()
    assert "round 2" in text
    assert "A winning ticket: because." in text
    for path, kept in trained().masks.kept_by_layer().items():
        line = next(line for line in text.splitlines() if path in line)
        assert str(kept) in line.replace(",", "").split()


def test_a_ticket_is_six_things_and_what_is_found_is_more():
    names = [field.name for field in dataclasses.fields(Ticket)]
    assert names == ["masks", "state", "step", "round", "plan", "architecture"]
    plain = Ticket(Masks({"k": [True]}), {}, 3, 2, Plan(), {"model": "fake"})
    found = FoundTicket.of(plain, outcome({}))
    assert all(getattr(found, name) is getattr(plain, name) for name in names)
    assert repr(found).startswith("<Ticket round 2: ")
    assert repr(dataclasses.replace(found, won=True)).endswith(", wins>")


# The file.


def assert_same(one, other):
    assert list(one) == list(other)
    for name in one:
        assert one[name].dtype == other[name].dtype, name
        assert np.array_equal(one[name], other[name]), name


def test_a_ticket_survives_its_file(path):
    rows = ({"round": 0, "density": 1.0}, {"round": 1, "density": 0.8})
    ticket = trained(rows=rows, won=True, reason="because")
    ticket.save(path)
    loaded = Ticket.load(path)
    assert loaded.masks == ticket.masks
    assert list(loaded.masks) == list(ticket.masks)
    for name in ("step", "round", "plan", "architecture", "rows", "won", "reason"):
        assert getattr(loaded, name) == getattr(ticket, name), name
    assert loaded.outcome.record() == ticket.outcome.record()
    assert set(loaded.state) == set(ticket.state)
    assert_same(dict(loaded.weights), {n: ticket.weights[n] for n in loaded.weights})
    assert_same(dict(loaded.outcome.weights), ticket.outcome.weights)
    assert_same(dict(loaded.outcome.best_weights), ticket.outcome.best_weights)


def test_the_optimizer_survives_whole_also_under_removed_weights(path):
    ticket = trained(plan=Plan(rewind_to=20))
    ticket.save(path)
    loaded = Ticket.load(path)
    for name in (n for n in ticket.state if ":" in n):
        assert (loaded.state[name] == ticket.state[name]).all()


def test_a_ticket_without_plan_or_outcome_survives(path):
    ticket = Ticket(Masks({"k": [True, False]}), {"k": np.float32([1, 2])})
    ticket.save(path)
    loaded = Ticket.load(path)
    assert type(loaded) is Ticket
    assert loaded.plan is None
    assert loaded.weights["k"].tolist() == [1, 0]


def test_a_ticket_with_its_outcome_is_a_found_one_again(path):
    ticket = trained()
    ticket.save(path)
    assert type(Ticket.load(path)) is FoundTicket
    plain = Ticket(ticket.masks, ticket.state)
    plain.save(path, overwrite=True)
    with pytest.raises(TicketError, match="ticket that was trained"):
        FoundTicket.load(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(masked_scores())
def test_any_masks_and_weights_survive(path, drawn):
    masks, weights = drawn
    ticket = Ticket(masks, weights)
    ticket.save(path, overwrite=True)
    loaded = Ticket.load(path)
    assert loaded.masks == masks
    assert_same(dict(loaded.weights), ticket.weights)


def test_a_file_written_twice_holds_the_same(path, tmp_path):
    trained().save(path)
    Ticket.load(path).save(tmp_path / "again.safetensors")
    one, two = Archive(path), Archive(tmp_path / "again.safetensors")
    assert one.header == two.header
    assert_same(dict(one), dict(two))


def test_a_loaded_ticket_can_replace_its_own_file(path):
    ticket = trained()
    ticket.save(path)
    loaded = Ticket.load(path)
    loaded.save(path, overwrite=True)
    assert_same(dict(Ticket.load(path).weights), dict(loaded.weights))


def test_a_file_that_is_there_is_not_overwritten_unless_asked(path):
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        trained().save(path)
    assert path.read_text() == "precious"
    trained().save(path, overwrite=True)
    assert Ticket.load(path).round == 2


def test_loading_reads_no_weights(path):
    trained().save(path)
    _, _, arrays = parts(path)
    forge(path, data={n: bytes(len(a)) for n, a in arrays.items() if "masks" not in n})
    loaded = Ticket.load(path)
    assert loaded.masks == trained().masks
    with pytest.raises(TicketError, match="checksum"):
        loaded.state[K]


@pytest.mark.parametrize("kind", [None, "model"])
def test_a_file_of_another_kind_is_an_error_that_names_it(path, kind):
    save(path, {}, {"kind": kind})
    with pytest.raises(TicketError, match=r"ticket\.safetensors is not a ticket"):
        Ticket.load(path)


def test_a_missing_file_is_missing(path):
    with pytest.raises(FileNotFoundError):
        Ticket.load(path)


def test_masks_of_another_ticket_are_an_error(path):
    ticket = trained()
    ticket.save(path)
    archive = Archive(path)
    other = Masks({**ticket.masks, K: ~ticket.masks[K]})
    groups = {name: dict(archive.group(name)) for name in ("state", "best", "final")}
    save(path, groups, archive.header, other)
    with pytest.raises(TicketError, match="digest of its masks differs"):
        Ticket.load(path)


NO_MASKS = {"none": {}, "an empty one for 'k'": {"k": np.zeros((0, 3), bool)}}


@pytest.mark.parametrize("found", NO_MASKS)
def test_a_ticket_without_masks_is_an_error(path, found):
    ticket = Ticket(Masks(NO_MASKS[found]), {})
    assert ticket.density == 1
    assert "density 100.0%" in ticket.summary()
    assert "100.0% of" in repr(ticket)
    for use in (ticket.verify, lambda: ticket.save(path)):
        with pytest.raises(TicketError, match=f"must have a mask.*{found}"):
            use()
    trained().save(path)
    save(path, {}, Archive(path).header, ticket.masks)
    with pytest.raises(TicketError, match=f"must have a mask.*{found}"):
        Ticket.load(path)


@pytest.mark.parametrize("number", [-1, 1.0, True, "1", None, 2**63, 10**400], ids=str)
@pytest.mark.parametrize("name", ["step", "round"])
def test_a_header_with_a_number_that_cannot_be_is_an_error(path, name, number):
    trained().save(path)
    forge(path, lambda told: {**told, name: number})
    with pytest.raises(TicketError, match=f"ticket.safetensors is damaged.*{name}"):
        Ticket.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"won": 1},
        {"won": None},
        {"reason": ["it won"]},
        {"reason": None},
        {"rows": None},
        {"rows": {}},
        {"rows": [1]},
        {"rows": [[]]},
        {"architecture": "a model"},
        {"architecture": []},
        {"plan": "a plan"},
        {"plan": [1]},
        {"outcome": "good"},
        {"outcome": [1]},
        {"masks_digest": None},
        {"monitor": 1},
    ],
    ids=str,
)
def test_a_header_of_other_types_is_an_error(path, change):
    trained().save(path)
    forge(path, lambda told: {**told, **change})
    with pytest.raises(TicketError, match=r"ticket\.safetensors is damaged"):
        Ticket.load(path)


def test_masks_that_are_no_masks_are_an_error(path):
    trained().save(path)
    other = {**Archive(path).header, "kind": "ticket"}
    save(path, {"masks": {K: np.ones((6, 5), "f4")}}, other)
    with pytest.raises(TicketError, match="not a mask"):
        Ticket.load(path)


def test_a_header_without_the_monitor_is_of_an_older_file(path):
    ticket = dataclasses.replace(trained(), monitor="val_accuracy")
    ticket.save(path)
    assert Ticket.load(path).monitor == "val_accuracy"
    forge(path, lambda told: {k: v for k, v in told.items() if k != "monitor"})
    assert Ticket.load(path).monitor is None


@pytest.mark.parametrize(
    "missing", ["step", "round", "plan", "outcome", "masks_digest"]
)
def test_a_header_that_lacks_something_is_an_error(path, missing):
    ticket = trained()
    ticket.save(path)
    header = {k: v for k, v in Archive(path).header.items() if k != missing}
    save(path, {"state": ticket.state}, header, ticket.masks)
    with pytest.raises(TicketError):
        Ticket.load(path)


def test_a_plan_of_a_later_version_is_an_error_that_names_the_file(path):
    ticket = trained()
    ticket.save(path)
    header = Archive(path).header
    header["plan"]["granularity"] = "filter"
    save(path, {"state": ticket.state}, header, ticket.masks)
    with pytest.raises(TicketError, match=r"ticket\.safetensors"):
        Ticket.load(path)


def test_a_ticket_of_a_local_criterion_survives_its_file(path):
    plan = Plan(criterion=lambda ticket, result: result.weights)
    trained(plan=plan).save(path)
    assert Ticket.load(path).density == trained(plan=plan).density


def test_a_ticket_of_an_infinite_tolerance_survives_its_file(path):
    try:
        plan = Plan(tolerance=float("inf"))
    except ValueError:
        return
    trained(plan=plan).save(path)
    assert Ticket.load(path).plan == plan


def test_bug_of_nni_2559_the_file_is_not_the_ticket(path):
    ticket = trained()
    ticket.save(path)
    found = safetensors.numpy.load_file(path)
    assert np.unpackbits(found[f"masks/{K}"]).sum() == ticket.masks[K].sum()
    assert (found[f"state/{K}"] == ticket.state[K][ticket.masks[K]]).all()


# `verify`.


def test_a_whole_ticket_verifies_before_and_after_its_file(path):
    for plan in (Plan(), Plan(scope="global"), Plan(rewind_to=20)):
        ticket = trained(plan=plan)
        ticket.verify()
        ticket.save(path, overwrite=True)
        Ticket.load(path).verify()


def broken(name, value):
    """The weights of a trained ticket with one array replaced, or removed."""
    weights = dict(trained().outcome.weights)
    weights[name] = value
    return {n: array for n, array in weights.items() if array is not None}


def revived():
    ticket = trained()
    weights = ticket.outcome.weights[K].copy()
    weights.flat[np.flatnonzero(~ticket.masks[K])[0]] = 1e-30
    return weights


def without(*names):
    return {n: a for n, a in trained().state.items() if n not in names}


def moved():
    """Masks of the right size, with one weight in the wrong layer."""
    masks = {path: mask.copy() for path, mask in trained().masks.items()}
    masks[K].flat[np.flatnonzero(masks[K])[0]] = False
    masks["logits/kernel"].flat[np.flatnonzero(~masks["logits/kernel"])[0]] = True
    return Masks(masks)


WHOLE = trained().outcome.weights[K]
NAN = np.full((6, 5), np.nan, "f4")
CORRUPT = {
    "weight missing": ({"state": without(K)}, K),
    "shape": ({"state": {**without(), K: np.zeros((5, 6))}}, K),
    "nan": ({"state": {**without(), K: NAN}}, K),
    "bias nan": ({"state": {**without(), "dense/bias": NAN}}, "dense/bias"),
    "final nan": ({"outcome": outcome(broken(K, NAN))}, K),
    "final revived": ({"outcome": outcome(broken(K, revived()))}, K),
    "final missing": ({"outcome": outcome(broken(K, None))}, K),
    "final shape": ({"outcome": outcome(broken(K, np.zeros((5, 6))))}, K),
    "best revived": (
        {"outcome": outcome(broken(K, WHOLE), best_weights=broken(K, revived()))},
        K,
    ),
    "too sparse": ({"round": 1}, "keep"),
    "too dense": ({"round": 3}, "keep"),
    "moved": ({"masks": moved()}, "logits/kernel"),
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_verify_finds(kind):
    changes, named = CORRUPT[kind]
    ticket = trained(**changes)
    with pytest.raises(TicketError, match=named):
        ticket.verify()


def test_verify_finds_masks_of_another_plan():
    ticket = dataclasses.replace(trained(), plan=Plan(pruning_rate=0.5))
    with pytest.raises(TicketError, match="plan keeps"):
        ticket.verify()


@pytest.mark.parametrize("member", ["state/dense/bias", f"final/{K}", f"best/{K}"])
def test_verify_finds_a_damaged_array_in_the_file(path, member):
    trained().save(path)
    whole = bytearray(path.read_bytes())
    whole[span(path, member)[0]] ^= 1
    path.write_bytes(whole)
    with pytest.raises(TicketError, match=member):
        Ticket.load(path).verify()
