"""Models with units that do nothing, and what holds for every compaction."""

import numpy as np

from tests.bindings.exporting.subject import (
    Network,
    compact,
    graph,
    input_of,
    keras,
    layers,
    outputs_of,
)
from tf_lottery.bindings.shared.exporting.kernels import DEPTHWISE, KERNELS
from tf_lottery.bindings.shared.rows import mapped

EXACT = 1e-5  # of the largest output
CONVOLUTIONS = {
    "1D": ((9, 2), layers.Conv1D),
    "2D": ((7, 8, 2), layers.Conv2D),
    "3D": ((5, 6, 5, 2), layers.Conv3D),
}
ONE_EACH = ({"a": 1}, {"a": 1})  # dead and constant units, in `between`


def chain(shape, *stack, seed=0):
    """A Sequential model whose weights, biases and statistics are drawn."""
    return drawn(keras.Sequential([keras.Input(shape), *stack]), seed)


def drawn(model, seed=0):
    """The model with weights drawn by chance, BatchNorm's too."""
    random = np.random.default_rng(seed)
    model.set_weights(
        [
            random.uniform(0.5, 1.5, np.shape(weight)).astype(weight.dtype)
            if "variance" in variable.name
            else random.normal(size=np.shape(weight)).astype(weight.dtype)
            for variable, weight in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    return model


def dense_chain(**arguments):
    return chain(
        (6,),
        layers.Dense(5, activation="relu", name="a", **arguments),
        layers.Dense(4, activation="tanh", name="b", **arguments),
        layers.Dense(3, name="c", **arguments),
    )


def between(shape, *stack, bias=0.7, seed=0):
    """A layer with a constant unit 0 and a dead unit 1, then others, then a layer."""
    conv = len(shape) > 1
    make = CONVOLUTIONS[f"{len(shape) - 1}D"][1] if conv else layers.Dense
    first = make(4, 1, name="a") if conv else make(4, name="a")
    last = make(3, 1, name="b") if conv else make(3, name="b")
    model = chain(shape, first, *stack, last, seed=seed)
    set_bias(model, "a", bias)
    no_incoming(model, "a", 0)
    no_outgoing(model, "b", 1)
    return model


def block(name, units=4):
    inputs = keras.Input((6,))
    x = layers.Dense(5, activation="relu", name="dense")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, layers.Dense(units, name="out")(x), name=name)


def change(model, path, change):
    """Changes the kernel of a layer in place, [..., before, after]."""
    layer = layer_at(model, path)
    kernel = np.array(graph.array(layer.kernel))
    change(kernel)
    layer.kernel.assign(kernel)


def no_incoming(model, path, *units):
    change(model, path, lambda kernel: kernel.__setitem__((..., list(units)), 0))


def no_outgoing(model, path, *units):
    """No weight of this layer leads from these units of the layer before."""
    change(
        model,
        path,
        lambda kernel: kernel.__setitem__((..., list(units), slice(None)), 0),
    )


def set_bias(model, path, value):
    bias = layer_at(model, path).bias
    bias.assign(np.full(tuple(bias.shape), value))


def layer_at(model, path):
    for name in path.split("/"):
        model = model.get_layer(name)
    return model


def kernel_layers(model, kinds=KERNELS, above=""):
    """Layers that make new units, Dense and convolutions, by path, once."""
    found = {}
    for layer in model.layers:
        if graph.is_functional(layer):
            found |= kernel_layers(layer, kinds, f"{above}{layer.name}/")
        elif type(layer).__name__ in kinds:
            found[f"{above}{layer.name}"] = layer
    return found


def kernels(layer):
    """The variables of a layer that are no bias; a separable convolution has two."""
    return layer.weights[: len(layer.weights) - layer.use_bias]


def masked(model, random, density):
    """Removes weights by chance, then whole rows and columns of them."""
    for layer in kernel_layers(model, (*KERNELS, *DEPTHWISE)).values():
        for variable in kernels(layer):
            kernel = np.array(graph.array(variable))
            kernel *= random.random(kernel.shape) < density
            kernel[..., random.random(kernel.shape[-2]) < 0.3, :] = 0
            kernel[..., random.random(kernel.shape[-1]) < 0.3] = 0
            variable.assign(kernel)
        if layer.use_bias:
            bias = graph.array(layer.bias)
            layer.bias.assign(bias * (random.random(bias.shape) < 0.7))
    return model


def sizes(model):
    """The number of units behind each Dense and convolution layer."""
    return {
        path.replace("/", "_"): kernels(layer)[-1].shape[-1]
        for path, layer in kernel_layers(model).items()
    }


def inputs_of(model, examples=4, seed=0):
    random = np.random.default_rng(seed)

    def draw(tensor):
        shape = [examples, *(side or 5 for side in tensor.shape[1:])]
        dtype = getattr(tensor.dtype, "name", tensor.dtype)
        if dtype.startswith("int"):
            return random.integers(0, 3, shape).astype(dtype)
        return random.normal(size=shape).astype(dtype)

    return mapped(draw, input_of(model))


def difference(one, other, inputs):
    """The largest difference between outputs, by the largest output."""
    largest = 0.0
    pairs = zip(outputs_of(one, inputs), outputs_of(other, inputs), strict=True)
    for a, b in ((a.astype(float), b.astype(float)) for a, b in pairs):
        assert a.shape == b.shape
        assert np.isfinite(a).all() and np.isfinite(b).all()
        largest = max(largest, np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))
    return largest


def checked(model, tolerance=EXACT, **options):
    """The compaction, after what holds for every one of them."""
    before, config = model.get_weights(), model.get_config()
    inputs = inputs_of(model)
    compaction = compact(model, **options)

    found = compaction.model
    assert difference(found, model, inputs) <= tolerance
    for ports in ("inputs", "outputs"):
        mine, theirs = (getattr(Network(each), ports) for each in (found, model))
        assert [port.name for port in mine] == [port.name for port in theirs]
    if compaction.removed:
        removed = {
            path.replace("/", "_"): compaction.dead.get(path, 0)
            + compaction.constant.get(path, 0)
            for path in kernel_layers(model)
        }
        expected = {path: size - removed[path] for path, size in sizes(model).items()}
        assert sizes(found) == expected
        assert min(expected.values()) > 0

    assert model.get_config() == config
    for weight, was in zip(model.get_weights(), before, strict=True):
        assert weight.tobytes() == was.tobytes()
    return compaction
