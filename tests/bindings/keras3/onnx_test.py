"""ONNX files: written by Keras on each backend, run by onnxruntime."""

import importlib.util

import keras
import numpy as np
import pytest

from tests.bindings.keras3.kinds import subclassed
from tests.bindings.keras3.models import CLASSES, FEATURES, arrays, layers, with_state
from tf_lottery import ExportError, Ticket, export, find_ticket
from tf_lottery.bindings import keras3
from tf_lottery.export import to_onnx

QUIET = {"latency_runs": 2, "verbose": 0}
PACKAGES, _ = keras3.onnx_writer()
pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches")
needs_packages = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, (*PACKAGES, "onnxruntime"))),
    reason="the converter of this backend is not installed",
)


@pytest.fixture(scope="module")
def ticket():
    given = {"rounds": 1, "epochs": 2, "batch_size": 16, "verbose": 0}
    return find_ticket(with_state(), arrays(), validation_data=arrays(32, 1), **given)


def test_what_to_install_is_said_in_one_line(ticket, tmp_path, monkeypatch):
    monkeypatch.setattr(to_onnx.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"pip install onnx .*onnxruntime") as raised:
        ticket.export(tmp_path / "ticket.onnx", **QUIET)
    assert "\n" not in str(raised.value)


@needs_packages
@pytest.mark.slow
def test_a_file_gives_the_outputs_of_the_ticket(ticket, tmp_path):
    import onnxruntime

    path, (x, _) = tmp_path / "ticket.onnx", arrays(7, 2)
    card = ticket.export(path, **QUIET)
    assert card.format == {"format": "ONNX"}
    assert sum(card.operators.values()) > 2
    shapes = {frozenset(tensor.shape) for tensor in card.tensors}
    assert shapes >= {frozenset((FEATURES, 32)), frozenset((32, CLASSES))}
    assert "onnxruntime" in card.latency["on"]
    session = onnxruntime.InferenceSession(str(path))
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    wanted = ticket.model("best").predict(x, verbose=0)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@needs_packages
@pytest.mark.slow
def test_a_subclassed_model_of_a_ticket_file_was_never_called(tmp_path):
    model, data = subclassed()
    plan = {"rounds": 1, "steps": 4, "batch_size": 16, "verbose": 0}
    find_ticket(model, data, validation_data=data, **plan).save(tmp_path / "ticket")
    loaded = Ticket.load(tmp_path / "ticket")
    card = loaded.export(tmp_path / "ticket.onnx", **QUIET)
    assert card.check["relative_difference"] <= 1e-5
    assert "not known" in str(card)


@needs_packages
@pytest.mark.slow
def test_several_inputs_and_outputs_keep_their_order(tmp_path):
    one, other = keras.Input((FEATURES,), name="one"), keras.Input((3,), name="other")
    both = layers.concatenate([one, other])
    outputs = [layers.Dense(2, name="first")(both), layers.Dense(3, name="second")(one)]
    model = keras.Model({"one": one, "other": other}, outputs)
    card = export.onnx(model, tmp_path / "model.onnx", **QUIET)
    assert card.check["relative_difference"] <= 1e-5
