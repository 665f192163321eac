"""TensorFlow: variables in a strategy's scope, and a random state for each process."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context

from tf_lottery.bindings.keras3.backends import host
from tf_lottery.bindings.tf_shared import objects

PACKAGES = ("tensorflow",)
ONNX = ("onnx", "tf2onnx")
IN_WORDS = "TensorFlow, all threads"
ERRORS: tuple[type[BaseException], ...] = (tf.errors.OpError,)
# The most steps of a group, which are bit-identical to single ones.
GROUP = 50
# Of programs that are kept between processes, which JAX alone has.
programs_kept = contextlib.nullcontext

copied = objects.copied


def replicas(value: Any) -> list[Any]:
    """Copies of what each replica of this process holds."""
    return [tf.convert_to_tensor(each).numpy() for each in _parts(value)]


def average(value: Any) -> None:
    """Gives all replicas the mean, if each has a value of its own."""
    if value.synchronization == tf.VariableSynchronization.ON_READ:
        value.assign(tf.convert_to_tensor(value))


held = functools.partial(host.held, replicas)
snapshot = functools.partial(host.snapshot, replicas)
faults = functools.partial(host.faults, replicas)
all_replicas = functools.partial(host.all_replicas, replicas)
assign, restore, constant = host.assign, host.restore, host.constant


def is_constant(value: Any) -> bool:
    """Whether it is a tensor that is no variable."""
    return not isinstance(value, tf.Variable)


def gradients(loss: Any, variables: Any, scope: Any) -> list[Any]:
    """The gradients of what a function computes of variables of Keras."""
    with tf.GradientTape() as tape:
        found = loss()
    values = [variable.value for variable in variables]
    zero = tf.UnconnectedGradients.ZERO
    gradients = tape.gradient(found, values, unconnected_gradients=zero)
    return list(map(tf.convert_to_tensor, gradients))


def compiled(function: Any, variables: Any, scope: Any) -> Any:
    """A function of tensors that uses variables of Keras, compiled."""
    made = tf.function(function, autograph=False)
    # Each is traced once; TensorFlow takes them for one that is traced often.
    made._omit_frequent_tracing_warning = True
    return made


def masked(gradient: Any, mask: Any) -> Any:
    """What a mask keeps of a gradient; that of an embedding has some rows."""
    if isinstance(gradient, tf.IndexedSlices):
        values = masked(gradient.values, tf.gather(mask, gradient.indices))
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return tf.where(mask, gradient, tf.zeros_like(gradient))


def reached(values: Any) -> list[str]:
    """The variables that a step uses while it is traced, but for these values."""
    graph = tf.compat.v1.get_default_graph()
    # `tf.distribute` has variables of its own where there are several replicas.
    several = tf.distribute.get_strategy().num_replicas_in_sync > 1
    if several or not graph.building_function:
        return []
    known = {id(part.handle) for value in values for part in _parts(value)}
    read = {id(part.handle): v.name for v in graph.variables for part in _parts(v)}
    return [
        read.get(id(handle), "a tf.Variable")
        for handle, _ in graph.captures
        if handle.dtype == tf.resource
        and id(handle) not in known
        # Iterators have a handle, too, of which no shape is known.
        and getattr(getattr(handle, "_handle_data", None), "is_set", False)
    ]


def untracked(model: Any) -> dict[str, Any]:
    """See `reached`."""
    return {}


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """TensorFlow draws from `seed` inside."""
    found = context.context()
    before = found._seed, getattr(found, "_rng", None)
    tf.random.set_seed(seed)
    try:
        yield
    finally:
        found._seed, found._rng = before


def platform() -> str:
    """What computes, such as "cpu"."""
    return "gpu" if tf.config.list_physical_devices("GPU") else "cpu"


def _parts(variable: Any) -> list[Any]:
    """The variables of the replicas of one, where `tf.distribute` has several."""
    return list(getattr(variable, "values", None) or [variable])
