"""On JAX and PyTorch a process of TensorFlow's own writes SavedModels and TFLite."""

import signal
import sys

import keras
import pytest

from tests.bindings.keras3.models import (
    BACKEND,
    CLASSES,
    FEATURES,
    arrays,
    layers,
    with_state,
)
from tests.bindings.keras3.own_layers import Native, Scale, doubled
from tf_lottery import ExportError, export, find_ticket
from tf_lottery.export.card import Card
from tf_lottery.export.child import parent

pytestmark = [
    pytest.mark.skipif(BACKEND == "tensorflow", reason="it writes in the process"),
    pytest.mark.filterwarnings("ignore:No ticket|The ticket matches"),
]
QUIET = {"latency_runs": 0, "verbose": 0}
FORMATS = {
    "packed": ("ticket", {}, 1e-5),
    "dense": ("ticket", {"layout": "dense"}, 1e-5),
    "float": ("ticket.tflite", {}, 1e-5),
    "int8": ("ticket.tflite", {"quantize": "int8"}, 0.1),
}


@pytest.fixture(scope="module")
def ticket():
    given = {"rounds": 1, "epochs": 2, "batch_size": 16, "verbose": 0}
    return find_ticket(with_state(), arrays(), validation_data=arrays(32, 1), **given)


def network(*inside):
    """An untrained model with a layer between two others."""
    dense = [layers.Dense(n, name=f"dense_{n}") for n in (24, CLASSES)]
    return keras.Sequential([keras.Input((FEATURES,)), dense[0], *inside, dense[1]])


@pytest.fixture
def in_place_of_python(tmp_path, monkeypatch):
    """Runs a line of a shell where the child would run; DIR and FILE are its own."""

    def run(line):
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\nDIR="$3" FILE="$4"\n{line}\n')
        script.chmod(0o755)
        monkeypatch.setattr(parent.sys, "executable", str(script))

    return run


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_file_gives_the_outputs_of_the_backend_of_the_search(
    ticket, tmp_path, format
):
    name, options, tolerance = FORMATS[format]
    card = ticket.export(tmp_path / name, **options, **QUIET)
    assert card.check["relative_difference"] <= tolerance
    assert card.check["accuracy"].keys() == {"dense", "ticket", "file"}
    assert {BACKEND, "keras", "tensorflow"} <= card.versions.keys()
    assert card == Card.read(tmp_path / name)
    beside = {f"{name}.card.json", f"{name}.card.md", name}
    assert {path.name for path in tmp_path.iterdir()} == beside


@pytest.mark.slow
def test_a_model_is_exported_as_a_ticket_is(ticket, tmp_path):
    card = export.saved_model(ticket.model("best"), tmp_path / "model", **QUIET)
    assert card.masks == ticket.masks.digest()[:16]
    assert card.weights == "as given"


@pytest.mark.slow
def test_layers_and_functions_of_a_module_of_ones_own_are_found(tmp_path):
    model = network(Scale(), layers.Dense(8, activation=doubled, name="dense_8"))
    card = export.saved_model(model, tmp_path / "model", **QUIET)
    assert card.check["relative_difference"] <= 1e-5


@pytest.mark.slow
def test_half_precision_is_written_in_float32(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            layers.Dense(CLASSES, dtype="mixed_bfloat16", name="logits"),
        ]
    )
    card = export.saved_model(model, tmp_path / "model", **QUIET)
    assert any("half precision" in note for note in card.notes)


@pytest.mark.slow
def test_a_layer_that_tensorflow_cannot_run_is_told_of(tmp_path):
    with pytest.raises(ExportError, match=r"compute by `keras\.ops` alone"):
        export.saved_model(network(Native()), tmp_path / "model", **QUIET)
    assert not list(tmp_path.iterdir())


def test_a_class_of_the_script_is_refused_before_a_process_starts(tmp_path):
    kind = type("Mine", (layers.Layer,), {"call": lambda self, inputs: inputs})
    kind.__module__ = "__main__"
    with pytest.raises(ExportError, match="Move it into a module"):
        export.saved_model(network(kind()), tmp_path / "model", **QUIET)
    assert not list(tmp_path.iterdir())


def test_what_to_install_is_said_in_one_line(ticket, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ExportError, match="pip install tensorflow") as raised:
        ticket.export(tmp_path / "ticket", **QUIET)
    assert "\n" not in str(raised.value)


def test_a_process_that_is_killed_leaves_nothing(ticket, tmp_path, in_place_of_python):
    in_place_of_python('mkdir "$FILE"; echo half > "$FILE/saved_model.pb"; kill -9 $$')
    with pytest.raises(ExportError, match="SIGKILL"):
        ticket.export(tmp_path / "to" / "ticket", **QUIET)
    assert not list((tmp_path / "to").iterdir())


def test_what_a_process_says_is_raised(ticket, tmp_path, in_place_of_python):
    in_place_of_python('echo "It must be so. Received: no." > "$DIR/error.txt"; exit 1')
    with pytest.raises(ExportError, match=r"^It must be so\. Received: no"):
        ticket.export(tmp_path / "to" / "ticket", **QUIET)
    assert not list((tmp_path / "to").iterdir())


def test_a_process_does_not_outlive_an_interrupt(
    ticket, tmp_path, in_place_of_python, monkeypatch
):
    in_place_of_python("exec sleep 60")
    started = []

    def interrupted(child, *_):
        started.append(child)
        raise KeyboardInterrupt

    monkeypatch.setattr(parent, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ticket.export(tmp_path / "to" / "ticket", **QUIET)
    assert started[0].returncode == -signal.SIGKILL
    assert not list((tmp_path / "to").iterdir())
