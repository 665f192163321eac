"""Leaving zeros out: the file says the same in less."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import keras
from tf_lottery.export.tensorflow import conversion, runtime
from tf_lottery.export.tensorflow._imports import schema
from tf_lottery.export.tensorflow.encoding import _pack, leave_zeros_out
from tf_lottery.export.tensorflow.flatbuffer import TFLiteFile

layers = keras.layers
OF_TYPE = {np.float32: "FLOAT32", np.float16: "FLOAT16", np.int8: "INT8"}


def tensor(values):
    """A tensor of a file with nothing else, and the file."""
    found = schema.TensorT()
    found.shape = np.array(values.shape, np.int32)
    found.type = getattr(schema.TensorType, OF_TYPE[values.dtype.type])
    found.buffer = 0
    model = schema.ModelT()
    model.buffers = [schema.BufferT()]
    model.buffers[0].data = np.frombuffer(values.tobytes(), np.uint8)
    return model, found


def unpacked(model, found, dtype):
    """What the format's definition says that a packed tensor holds, value by value."""
    *whole, listed = found.sparsity.dimMetadata
    rows = math.prod(axis.denseSize for axis in whole)
    starts, columns = listed.arraySegments.values, listed.arrayIndices.values
    survivors = np.frombuffer(bytes(model.buffers[0].data), dtype)
    dense = np.zeros((rows, found.shape[-1]), dtype)
    for row in range(rows):
        for place in range(starts[row], starts[row + 1]):
            dense[row, columns[place]] = survivors[place]
    return dense.reshape(found.shape)


@given(
    shape=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    density=st.floats(0, 1),
    dtype=st.sampled_from(list(OF_TYPE)),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_packed_tensor_holds_the_same_values(shape, density, dtype, seed):
    draw = np.random.default_rng(seed)
    values = draw.integers(1, 100, shape).astype(dtype)
    values *= draw.random(shape) < density
    model, found = tensor(values)
    before = len(model.buffers[0].data)
    if _pack(model, found):
        assert np.array_equal(unpacked(model, found, dtype), values)
        assert len(model.buffers[0].data) < before
    else:
        assert len(model.buffers[0].data) == before
        assert found.sparsity is None


@pytest.mark.parametrize(
    ("columns", "kind"),
    [(200, "Uint8VectorT"), (300, "Uint16VectorT"), (70_000, "Int32VectorT")],
)
def test_places_are_as_short_as_their_largest(columns, kind):
    values = np.zeros((4, columns), np.float32)
    values[:, -1] = 1
    model, found = tensor(values)
    assert _pack(model, found)
    assert type(found.sparsity.dimMetadata[-1].arrayIndices).__name__ == kind
    assert np.array_equal(unpacked(model, found, np.float32), values)


def test_a_tensor_without_a_survivor_is_packed():
    model, found = tensor(np.zeros((8, 8), np.float32))
    assert _pack(model, found)
    assert not unpacked(model, found, np.float32).any()


def test_a_tensor_of_survivors_stays_as_it_is():
    model, found = tensor(np.ones((8, 8), np.float32))
    assert not _pack(model, found)
    assert found.sparsity is None


def network():
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((10, 10, 4)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(40, activation="relu"),
            layers.Dense(3),
        ]
    )
    draw = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(weight.numpy() * (draw.random(weight.shape) < 0.1))
    return model


@pytest.fixture(scope="module", params=[None, "float16"])
def files(request):
    model = network()
    content = conversion.convert(model, sparse=False, quantize=request.param)
    return model, content, leave_zeros_out(content)


@pytest.mark.first_case
def test_the_file_gives_the_same_outputs_with_and_without_xnnpack(files):
    model, content, packed = files
    inputs = [np.random.default_rng(0).normal(size=(20, 10, 10, 4)).astype("f4")]
    for xnnpack in (True, False):
        wanted = runtime.tflite(content, model, xnnpack=xnnpack).predict(inputs)
        found = runtime.tflite(packed, model, xnnpack=xnnpack).predict(inputs)
        np.testing.assert_array_equal(found, wanted)


def test_the_file_is_smaller_and_says_how(files):
    _, content, packed = files
    assert len(packed) < 0.5 * len(content)
    by_size = {tensor.shape: tensor for tensor in TFLiteFile(packed).tensors}
    assert by_size[40, 288].encoding == "sparse"
    assert by_size[16, 3, 3, 4].encoding == "sparse"
    assert TFLiteFile(packed).operators["DENSIFY"] == 4 - (
        by_size[3, 40].encoding == "dense"
    )


def test_every_buffer_is_aligned_as_the_schema_demands(files):
    _, _, packed = files
    model = schema.Model.GetRootAs(packed, 0)
    whole = np.frombuffer(packed, np.uint8)
    for number in range(model.BuffersLength()):
        data = model.Buffers(number).DataAsNumpy()
        if not isinstance(data, int):
            assert (data.ctypes.data - whole.ctypes.data) % 16 == 0


def test_zeros_are_left_out_once(files):
    assert len(leave_zeros_out(files[2])) <= len(files[2]) + 16


@settings(max_examples=5, deadline=None)
@given(density=st.sampled_from([0.0, 0.01, 0.3, 0.7, 1.0]))
def test_no_density_makes_the_file_larger(density):
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64)])
    kernel = model.weights[0]
    kept = np.random.default_rng(0).random(kernel.shape) < density
    kernel.assign(kernel.numpy() * kept)
    content = conversion.convert(model, sparse=False)
    packed = leave_zeros_out(content)
    inputs = [np.random.default_rng(0).normal(size=(20, 64)).astype("f4")]
    np.testing.assert_array_equal(
        runtime.tflite(packed, model).predict(inputs),
        runtime.tflite(content, model).predict(inputs),
    )
    assert len(packed) <= len(content) + 64
