"""A ticket goes to another model: where names agree, and only where one says so."""

import warnings

import numpy as np
import pytest

from tests.fakes import outcome
from tests.models import (
    CLASSES,
    FEATURES,
    Watch,
    batches,
    compiled,
    equal,
    keras,
    layers,
    tiny,
    with_state,
)
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe
from tf_lottery.bindings.tf_keras.tfmot.wrap import wrap
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import FoundTicket, Ticket
from tf_lottery.training.transfer import transfer


def ticket_of(model):
    """An untrained ticket: masks by chance, and another state than the model's."""
    live = Live(compiled(wrap(model)))
    draw = np.random.default_rng(0)
    masks = {path: draw.random(shape) < 0.4 for path, shape in live.shapes.items()}
    state = {
        name: (array + draw.normal(size=array.shape)).astype(array.dtype)
        if ":" not in name
        else array
        for name, array in live.read().items()
    }
    return Ticket(Masks(masks), state, step=4, round=4, plan=Plan(rewind_to=4))


@pytest.fixture(scope="module")
def ticket():
    return ticket_of(with_state())


def own_weights(model):
    return Live(wrap(model)).read_weights()


def other_head(name="top", units=7, **flags):
    """The layers of `with_state`, with another head, not compiled."""
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.Input((FEATURES,), name="features"),
            layers.Dense(6, activation="relu", name="hidden", **flags),
            layers.BatchNormalization(name="norm"),
            layers.Dense(units, name=name),
        ]
    )


# The same model.


def test_transferred_to_its_own_model_a_ticket_is_the_same_when_applied(ticket):
    model = compiled(with_state())
    moved = transfer(ticket, model, weights=True)
    mine, theirs = (t.apply(model) for t in (moved, ticket))
    assert equal(Live(mine).read_weights(), Live(theirs).read_weights())
    assert moved.masks == ticket.masks


def test_transferred_masks_alone_keep_the_models_weights(ticket):
    model = compiled(with_state())
    moved = transfer(ticket, model, weights=False)
    assert moved.masks == ticket.masks
    own = own_weights(model)
    assert all((moved.state[name] == own[name]).all() for name in own)
    assert not equal(dict(moved.weights), dict(ticket.weights))


@pytest.mark.parametrize("weights", [True, False])
def test_removed_weights_keep_their_starting_values_too(ticket, weights):
    model = compiled(with_state())
    moved = transfer(ticket, model, weights=weights)
    source = ticket.state if weights else own_weights(model)
    for path in moved.masks:
        assert (moved.state[path] == source[path]).all()


@pytest.mark.first_case
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("restored", ["apply", "model"])
def test_pruned_weights_stay_zero_when_it_is_trained(ticket, weights, restored):
    model = compiled(with_state())
    moved = transfer(ticket, model, weights=weights)
    live = moved.apply(model) if restored == "apply" else moved.model()
    assert equal(Live(live).read_weights(), dict(moved.weights))
    watch = Watch()
    live.fit(batches(), verbose=0, callbacks=[watch])
    assert watch.calls and not watch.leaks and not watch.dead


def test_applied_and_restored_it_trains_alike(ticket):
    model = compiled(with_state(dropout=0.0))
    moved = transfer(ticket, model, weights=True)
    trained = []
    for live in (moved.apply(model), moved.model()):
        live.fit(batches(), verbose=0)
        trained.append(Live(live).read_weights())
    assert equal(*trained)


@pytest.mark.parametrize("weights", [True, False])
def test_a_transferred_ticket_verifies_and_survives_its_file(ticket, weights, tmp_path):
    model = compiled(with_state())
    moved = transfer(ticket, model, weights=weights)
    moved.verify()
    moved.save(tmp_path / "ticket.safetensors")
    loaded = Ticket.load(tmp_path / "ticket.safetensors")
    loaded.verify()
    assert equal(Live(loaded.model()).read(), Live(moved.model()).read())


def test_it_starts_at_step_0_with_the_models_optimizer_afresh(ticket):
    model = compiled(with_state(), keras.optimizers.SGD(0.5, momentum=0.9))
    model.fit(batches(), verbose=0)
    moved = transfer(ticket, model, weights=True)
    assert (moved.step, moved.round, moved.plan) == (0, 4, None)
    optimizer = {n: a for n, a in moved.state.items() if n.startswith("optimizer:")}
    slots = [a for n, a in optimizer.items() if "kernel" in n]
    assert len(slots) == 2 and not any(slot.any() for slot in slots)
    assert int(optimizer["optimizer:iteration"]) == 0
    assert moved.architecture == describe(model)


def test_an_average_of_the_weights_starts_from_the_tickets(ticket):
    optimizer = keras.optimizers.SGD(0.1, use_ema=True)
    moved = transfer(ticket, compiled(with_state(), optimizer), weights=True)
    (name,) = (n for n in moved.state if "average" in n and "logits/kernel" in n)
    assert (moved.state[name] == ticket.state["logits/kernel"]).all()


def test_nothing_is_said_of_the_model_from_the_search(ticket):
    found = FoundTicket.of(ticket, outcome({}))
    assert type(transfer(found, compiled(with_state()), weights=True)) is Ticket


def test_the_model_is_not_changed(ticket):
    model = compiled(with_state())
    before = model.get_weights()
    transfer(ticket, model, weights=True)
    after = model.get_weights()
    assert all((a == b).all() for a, b in zip(after, before, strict=True))
    assert [type(layer) for layer in model.layers] == [
        type(layer) for layer in with_state().layers
    ]


def test_a_model_that_is_not_compiled_gives_a_ticket_to_apply(ticket):
    moved = transfer(ticket, with_state(), weights=True)
    assert not any(name.startswith("optimizer:") for name in moved.state)
    assert moved.apply(with_state()).optimizer is None
    with pytest.raises(TicketError, match="must hold its architecture"):
        moved.model()


def test_a_ticket_from_a_file_can_be_transferred(ticket, tmp_path):
    ticket.save(tmp_path / "ticket.safetensors")
    model = compiled(with_state())
    moved = transfer(Ticket.load(tmp_path / "ticket.safetensors"), model, weights=True)
    assert equal(Live(moved.apply(model)).read_weights(), dict(ticket.weights))


def test_an_adapted_normalization_is_taken_along():
    def adapted(scale):
        normalization = layers.Normalization(name="adapted")
        normalization.adapt(np.random.default_rng(0).normal(size=(9, FEATURES)) * scale)
        return compiled(
            keras.Sequential(
                [keras.Input((FEATURES,)), normalization, layers.Dense(3, name="top")]
            )
        )

    first, second = adapted(1), adapted(5)
    ticket = Ticket(Masks.full(Live(wrap(first)).shapes), own_weights(first))
    x = np.ones((1, FEATURES), np.float32)
    moved = transfer(ticket, second, weights=True)
    np.testing.assert_allclose(moved.apply(second)(x), first(x), rtol=1e-6)
    kept = transfer(ticket, second, weights=True, skip=["adapted"])
    for name in ("adapted/mean", "adapted/variance"):
        assert (kept.state[name] == own_weights(second)[name]).all()


# Another model.


def test_a_head_of_another_name_stays_dense_and_a_warning_names_it(ticket):
    model = compiled(other_head())
    with pytest.warns(UserWarning, match="no masks for 'top/kernel', which stay dense"):
        moved = transfer(ticket, model, weights=False, skip=["logits"])
    assert moved.masks["top/kernel"].all()
    assert list(moved.masks) == ["hidden/kernel", "top/kernel"]
    moved.verify()
    moved.apply(model).fit(batches(), verbose=0)


def test_weights_that_the_ticket_lacks_are_the_models_and_a_warning_names_them(ticket):
    model = compiled(other_head())
    with pytest.warns() as caught:
        moved = transfer(ticket, model, weights=True, skip=["logits"])
    texts = [str(warning.message) for warning in caught]
    assert any("'top/bias', 'top/kernel', which keep the model's" in t for t in texts)
    own = own_weights(model)
    for name in own:
        source = own if name.startswith("top/") else ticket.state
        assert (moved.state[name] == source[name]).all(), name


def test_a_warning_points_at_the_callers_line(ticket):
    with pytest.warns(UserWarning, match="no masks") as caught:
        transfer(ticket, other_head(), weights=False, skip=["logits"])
    assert caught[0].filename == __file__


@pytest.mark.first_case
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize(
    "skip", [["logits"], "logits", ["logits/*"], ["log*"]], ids=str
)
def test_a_skipped_head_of_another_width_is_the_models_without_a_word(
    ticket, weights, skip
):
    model = compiled(other_head("logits"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moved = transfer(ticket, model, weights=weights, skip=skip)
    assert moved.masks["logits/kernel"].all()
    own = own_weights(model)
    for name in ("logits/kernel", "logits/bias"):
        assert (moved.state[name] == own[name]).all()
    assert (moved.masks["hidden/kernel"] == ticket.masks["hidden/kernel"]).all()
    moved.model().fit(batches(), verbose=0)


def test_a_skipped_layer_that_would_fit_is_the_models_too(ticket):
    model = compiled(with_state())
    moved = transfer(ticket, model, weights=True, skip=["logits"])
    own = own_weights(model)
    assert moved.masks["logits/kernel"].all()
    assert (moved.state["logits/bias"] == own["logits/bias"]).all()


def frozen():
    return other_head("logits", CLASSES, trainable=False)


@pytest.mark.parametrize(
    "make, named",
    [
        (other_head, "'logits/kernel' is not a prunable weight"),
        (lambda: other_head("logits"), r"'logits/kernel' has shape \(6, 3\).*\(6, 7\)"),
        (frozen, "'hidden/kernel' is not a prunable weight"),
    ],
    ids=["name", "shape", "frozen"],
)
@pytest.mark.parametrize("weights", [True, False])
def test_a_mask_that_does_not_fit_is_an_error_that_says_what_to_skip(
    ticket, make, named, weights
):
    with pytest.raises(TicketError, match=rf"another model: {named}.*skip=\["):
        transfer(ticket, make(), weights=weights)


@pytest.mark.parametrize("weights", ["best", 1, None])
def test_weights_must_be_said_in_plain_words(ticket, weights):
    with pytest.raises(ValueError, match="`weights` must be True") as error:
        transfer(ticket, tiny(), weights=weights)
    assert repr(weights) in str(error.value)
    with pytest.raises(TypeError, match="weights"):
        transfer(ticket, tiny())


def test_a_skip_that_matches_nothing_is_an_error_that_names_it(ticket):
    with pytest.raises(ValueError, match="Received: 'head', which match none of"):
        transfer(ticket, with_state(), weights=True, skip=["head", "logits"])


def test_a_skip_of_all_masks_is_an_error(ticket):
    with pytest.raises(ValueError, match="must leave a mask"):
        transfer(ticket, with_state(), weights=True, skip=["*"])


def test_a_wrapped_model_is_an_error_that_says_what_to_do(ticket):
    wrapped = ticket.apply(compiled(with_state()))
    with pytest.raises(ValueError, match="strip_pruning"):
        transfer(ticket, wrapped, weights=True)


def test_a_function_or_an_unbuilt_model_is_refused_in_words():
    ticket = ticket_of(tiny())
    unbuilt = keras.Sequential([layers.Dense(2)])
    for model in (tiny, unbuilt):
        with pytest.raises(TypeError, match="`model` must be a built tf_keras model"):
            transfer(ticket, model, weights=False)
    with pytest.raises(TypeError, match=r"must be a Ticket\. Received: dict"):
        transfer({}, tiny(), weights=False)
