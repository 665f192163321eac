"""The lowest numbers, counted: the same as `numpy.partition` of a copy finds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.strategies import blocked_scores, masked_scores, rates, scopes
from tf_lottery.core import lowest
from tf_lottery.core import prune as pruning
from tf_lottery.core.masks import Masks
from tf_lottery.core.prune import prune

ROOT = Path(__file__).parents[2]
TYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")


def by_partition(arrays, masks, count):
    """The oracle: a copy of all values in the masks is partitioned."""
    pairs = list(zip(arrays, masks, strict=True))
    values = np.concatenate([array[mask] for array, mask in pairs])
    values.partition(count - 1)
    threshold = values[count - 1]
    ties = count - int(np.count_nonzero(values < threshold))
    for array, mask in pairs:
        found = array.astype(values.dtype)
        tied = np.flatnonzero(mask & (found == threshold))[:ties]
        mask &= found >= threshold
        mask.flat[tied] = False
        ties -= len(tied)


@pytest.fixture(scope="module", autouse=True)
def small_chunks():
    """Arrays of some values then have several chunks."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lowest, "_CHUNK", 5)
        yield


def both(masks, scores, rate, **options):
    """The masks by counting, and by partition."""
    found = prune(masks, scores, rate, **options)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pruning, "drop_lowest", by_partition)
        return found, prune(masks, scores, rate, **options)


@given(masked_scores(), rates, scopes)
def test_counting_finds_what_a_partition_finds(drawn, rate, scope):
    found, expected = both(*drawn, rate, scope=scope)
    assert found == expected


@given(blocked_scores(), rates)
def test_it_does_so_with_blocks(drawn, rate):
    masks, scores, block_size = drawn
    found, expected = both(masks, scores, rate, block_size=block_size)
    assert found == expected


@given(st.data(), st.sampled_from(TYPES), rates)
def test_it_does_so_with_every_value_of_every_type(data, dtype, rate):
    elements = None
    if dtype.startswith("f"):
        elements = st.floats(allow_nan=False, width=8 * int(dtype[1]))
    sizes = st.integers(1, 40)
    scores = data.draw(npst.arrays(dtype, sizes, elements=elements))
    mask = data.draw(npst.arrays(bool, scores.shape))
    found, expected = both(Masks({"a": mask}), {"a": scores}, rate)
    assert found == expected


@given(st.data(), st.lists(st.sampled_from(TYPES), min_size=2, max_size=3), rates)
def test_it_does_so_with_layers_of_several_types(data, types, rate):
    whole = st.integers(0, 1)
    scores = {
        f"layer{n}": data.draw(npst.arrays(dtype, st.integers(1, 9), elements=whole))
        for n, dtype in enumerate(types)
    }
    masks = Masks.full({path: array.shape for path, array in scores.items()})
    found, expected = both(masks, scores, rate, scope="global")
    assert found == expected


@given(npst.arrays(np.uint16, st.integers(1, 40)), rates)
@example(np.arange(40, dtype=np.uint16) * 1600, 0.5)
def test_it_does_so_with_the_types_of_ml_dtypes(bits, rate):
    scores = bits.view(ml_dtypes.bfloat16)
    scores = np.where(np.isnan(scores), ml_dtypes.bfloat16(0), scores)
    found, _ = both(Masks.full({"a": bits.shape}), {"a": scores}, rate)
    _, expected = both(Masks.full({"a": bits.shape}), {"a": np.float32(scores)}, rate)
    assert found == expected


@given(masked_scores(), rates, scopes)
def test_pruning_again_and_again_stays_the_same(drawn, rate, scope):
    found = expected = drawn[0]
    for _ in range(3):
        found, _ = both(found, drawn[1], rate, scope=scope)
        _, expected = both(expected, drawn[1], rate, scope=scope)
    assert found == expected


@pytest.mark.parametrize("count", [1, 2, 7, 39, 40])
def test_exactly_as_many_go_as_it_is_told(count):
    scores, mask = np.arange(40.0) % 4, np.ones(40, bool)
    expected = mask.copy()
    lowest.drop_lowest([scores], [mask], count)
    by_partition([scores], [expected], count)
    assert np.count_nonzero(mask) == 40 - count
    assert (mask == expected).all()


@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_numbers_that_cannot_be_counted_are_an_error(dtype):
    scores = {"a": np.ones(4, dtype)}
    with pytest.raises(TypeError, match="real numbers of at most 64 bits"):
        prune(Masks.full({"a": (4,)}), scores, 0.5)


@pytest.mark.slow
def test_ten_million_weights_take_the_time_and_memory_of_their_scores(tmp_path):
    found = tmp_path / "found.json"
    tool = [sys.executable, "tools/bench_masks.py", "--weights=10_000_000"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [*tool, f"--output={found}"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    measured = json.loads(found.read_text())
    assert len(measured["prune"]) == 4
    for row in measured["prune"]:
        assert row["ratio"][0] < 3, row  # others may use the processors
        assert row["peak"] <= 1.5, row
    assert len(measured["files"]) == 6
