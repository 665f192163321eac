"""How a TFLite file stores what is left of the weights, and what it multiplies."""

import numpy as np
import pytest

from tests.export.exporting import QUIET, dense_network, sparsified
from tests.models import compiled, keras, layers
from tf_lottery import export, find_ticket
from tf_lottery.export.bound import network as seen
from tf_lottery.export.tensorflow.conversion import convert
from tf_lottery.export.tensorflow.encoding import (
    blocks_may_be_smaller,
    leave_zeros_out,
)
from tf_lottery.export.tensorflow.flatbuffer import TFLiteFile

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Without")


def encodings(path):
    return {tensor.encoding for tensor in TFLiteFile(path.read_bytes()).tensors}


@pytest.mark.slow
def test_scattered_survivors_are_stored_one_by_one(tmp_path):
    network = sparsified(dense_network(256, (128, 64)), 0.02)
    card = export.tflite(network, tmp_path / "a.tflite", compact=False, **QUIET)
    assert encodings(tmp_path / "a.tflite") == {"sparse"}
    assert "not smaller" in card.rejected["blocks of 1x4"]
    blocks = TFLiteFile(convert(network, sparse=True))
    assert "sparse 1x4 blocks" in {tensor.encoding for tensor in blocks.tensors}


@pytest.mark.first_case
@pytest.mark.parametrize("density", [0.036, 0.2])
def test_blocks_reach_the_sparse_kernel(tmp_path, density):
    network = sparsified(dense_network(256, (128, 64), 8), density, block=4)
    path = tmp_path / "blocks.tflite"
    card = export.tflite(network, path, compact=False, **QUIET)
    assert encodings(path) == {"sparse 1x4 blocks"}
    assert "DENSIFY" not in card.operators
    assert card.macs["executed"] == card.macs["nominal"]


@pytest.mark.slow
def test_a_ticket_of_blocks_is_exported_as_blocks(tmp_path):
    ticket = find_ticket(
        compiled(dense_network(32, (32, 16), 4)),
        (np.random.default_rng(0).normal(size=(64, 32)), np.arange(64) % 4),
        rounds=3,
        pruning_rate=0.5,
        block_size=(1, 4),
        verbose=0,
    )
    card = ticket.export(tmp_path / "t.tflite", "tflite", compact=False, **QUIET)
    assert {tensor.encoding for tensor in card.tensors} == {"sparse 1x4 blocks"}
    assert "DENSIFY" not in card.operators


@pytest.mark.slow
@pytest.mark.first_case
@pytest.mark.parametrize("quantize", [None, "float16", "dynamic"])
@pytest.mark.parametrize("block", [4, 1])
@pytest.mark.parametrize("density", [0.05, 0.01, 0.3, 0.8, 1.0])
def test_blocks_that_are_not_tried_would_not_be_smaller(density, block, quantize):
    network = sparsified(dense_network(256, (128, 64), 8), density, block=block)
    stored = convert(network, sparse=False, quantize=quantize)
    tried = blocks_may_be_smaller(stored)
    if density < 0.5:
        assert tried == (block == 4)
    if not tried:
        blocks = convert(network, sparse=True, quantize=quantize)
        assert len(blocks) >= min(len(stored), len(leave_zeros_out(stored)))


@pytest.mark.slow
def test_the_converter_leaves_zeros_out_where_a_file_of_ours_does_not_run(tmp_path):
    network = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            layers.Embedding(200, 16),
            layers.LSTM(48),
            layers.Dense(2, activation="softmax"),
        ]
    )
    sizes = {}
    for sparse in ("auto", True, False):
        path = tmp_path / f"{sparse}.tflite"
        card = export.tflite(
            sparsified(network, 0.3), path, sparse=sparse, batch_size=1, **QUIET
        )
        sizes[sparse] = card.sizes["exported"].raw
        assert ("1x4" in card.format["encoding"]) == TFLiteFile(
            path.read_bytes()
        ).has_blocks
    assert sizes["auto"] == sizes[True] < sizes[False]


@pytest.mark.slow
def test_blocks_can_be_asked_for(tmp_path):
    network = sparsified(dense_network(256, (128, 64)), 0.02)
    path = tmp_path / "blocks.tflite"
    export.tflite(network, path, sparse="blocks", compact=False, **QUIET)
    assert "sparse 1x4 blocks" in encodings(path)


def test_the_card_counts_what_the_file_multiplies():
    network = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same"),
            layers.DepthwiseConv2D(3),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )
    counted, uncounted = TFLiteFile(convert(network, sparse=False)).macs
    assert counted == 8 * 8 * 4 * 27 + 6 * 6 * 4 * 9 + 144 * 5
    assert uncounted == []
    assert seen(network).macs().all == counted


def test_many_multiplications_do_not_overflow():
    network = keras.Sequential(
        [keras.Input((64, 64, 128)), layers.Conv2D(512, 3, padding="same")]
    )
    counted, _ = TFLiteFile(convert(network, sparse=False)).macs
    assert counted == 64 * 64 * 512 * 9 * 128
