"""What an export is compared with, and what its card says of that."""

import dataclasses

import numpy as np
import pytest

from tests.export.exporting import (
    exported,
)
from tests.models import arrays, compiled, keras, layers, tiny
from tf_lottery import find_ticket
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.export import latency
from tf_lottery.export.options import Options
from tf_lottery.export.source import source_of, strip

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches")


def test_the_dense_network_is_that_of_round_0(ticket):
    source = source_of(ticket, Options())
    assert source.dense_is_trained
    first = ticket.history[0].outcome.best_weights
    for path, weight in named_weights(source.dense).items():
        assert (weight.numpy() == first[path]).all()


def test_a_dense_network_that_is_not_at_hand_has_no_zeros(ticket):
    source = source_of(dataclasses.replace(ticket, history=None), Options())
    assert not source.dense_is_trained
    weights = named_weights(source.dense)
    for path in ticket.masks:
        assert (weights[path].numpy() != 0).all()


def test_sizes_fall_from_dense_to_packed(tmp_path):
    model = keras.Sequential([keras.Input((300,)), layers.Dense(300), layers.Dense(3)])
    kernel = model.layers[0].kernel
    mask = np.random.default_rng(0).random(kernel.shape) < 0.05
    kernel.assign(np.where(mask, kernel, 0))
    _, card = exported(model, tmp_path, "packed")
    sizes = card.sizes
    assert sizes["exported"].raw < 0.2 * sizes["stripped"].raw
    assert sizes["stripped"].gz < 0.3 * sizes["dense"].gz
    assert abs(sizes["stripped"].raw - sizes["dense"].raw) < 100


def test_the_card_has_the_density_of_the_whole_model(ticket, tmp_path):
    _, card = exported(ticket, tmp_path, "keras")
    removed = ticket.masks.size - ticket.masks.kept
    plain = strip(ticket)
    assert card.prunable_weights == ticket.masks.size
    assert card.parameters == plain.count_params()
    assert card.model_density == 1 - removed / plain.count_params()


def test_latency_is_measured(ticket, tmp_path, capsys):
    _, card = exported(ticket, tmp_path, "keras", latency_runs=5, verbose=1)
    assert card.latency["microseconds"] > 0
    assert card.latency["runs"] == 5
    assert "ticket.keras: Keras file of the ticket" in capsys.readouterr().out


def test_without_validation_the_card_says_training_loss(tmp_path):
    with pytest.warns(UserWarning):
        found = find_ticket(compiled(tiny()), arrays(), rounds=1, verbose=0)
    card = found.export(tmp_path / "t.keras", latency_runs=0, verbose=0)
    assert card.weights == "best, at minimum training loss"


@pytest.mark.parametrize(
    ("low", "ratio", "high", "said"),
    [
        (0.98, 1.02, 1.07, "does not make this backend faster"),
        (0.96, 0.97, 0.99, "does not make this backend faster"),
        (0.98, 1.02, 1.10, "varied too much"),
        (0.10, 0.21, 2.05, "varied too much"),
        (0.21, 1.13, 3.20, "varied too much"),
        (0.10, 0.21, 0.25, ""),
    ],
)
def test_the_card_says_in_words_what_the_times_say(
    ticket, tmp_path, monkeypatch, low, ratio, high, said
):
    times = {"microseconds": 1.0, "dense_microseconds": 1.0, "ratio": ratio}
    times |= {"ratio_low": low, "ratio_high": high}
    monkeypatch.setattr(latency, "time_pairs", lambda *_: times)
    path = tmp_path / "t.keras"
    card = ticket.export(path, "keras", latency_runs=1, verbose=0)
    words = ("does not make this backend faster", "varied too much")
    for each in words:
        assert any(each in note for note in card.notes) == (each == said)
