"""JAX: arrays never change, and a compiled step takes over the memory of its inputs."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tf_lottery.bindings.keras3.jax_cache import programs_kept as programs_kept

PACKAGES = ("jax", "jaxlib")
ONNX = ("onnx", "jax2onnx")
IN_WORDS = "JAX, all threads"
ERRORS: tuple[type[BaseException], ...] = (jax.errors.JaxRuntimeError,)
# The most steps of a group, which are bit-identical to single ones.
GROUP = 500


def copied(value: Any) -> Any:
    """The copy of an array; None of anything else."""
    if not isinstance(value, jax.Array):
        return None
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(jnp.copy(jax.random.key_data(value)))
    return jnp.copy(value)


def replicas(value: Any) -> list[Any]:
    """Copies of what each device holds; of a divided array, one of the whole."""
    sharding = value.sharding
    if sharding.is_fully_replicated and len(sharding.device_set) > 1:
        return [np.array(shard.data) for shard in value.addressable_shards]
    return [np.array(value)]  # a copy: JAX uses the memory again


def all_replicas(values: Sequence[Any]) -> list[list[Any]]:
    """See `replicas`; the values of one device are copied at once."""
    if any(len(value.sharding.device_set) > 1 for value in values):
        return list(map(replicas, values))
    return [[np.array(value)] for value in jax.device_get(values)]


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Assigns arrays to variables, at once where there is one device."""
    arrays = [
        np.asarray(value, variable.value.dtype)
        for variable, value in zip(variables, values, strict=True)
    ]
    if any(len(variable.value.sharding.device_set) > 1 for variable in variables):
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        return
    for variable, value in zip(variables, jax.device_put(arrays), strict=True):
        variable._value = value


def average(value: Any) -> None:
    """All devices hold the same."""


def held(value: Any) -> Any:
    """What can be restored later, unless a step takes over its memory."""
    return value


def constant(array: Any) -> Any:
    """An array where the variables are."""
    return jnp.asarray(array)


def snapshot(values: Any) -> Any:
    """Copies of values, on the device: steps use the memory of values again."""
    return _copies(values)


def restore(variable: Any, value: Any) -> None:
    """Gives a variable a value that it had, which nothing has changed."""
    variable._value = value


def faults(weights: Any, masks: Any, decided: Any) -> tuple[list[bool], list[bool]]:
    """Which masks differ, and which weights are not zero where they are pruned.

    Looked at on the device: a copy to the host takes longer than a step.
    """
    changed, leaking = np.asarray(_faults(weights, masks, decided)).tolist()
    return changed, leaking


def faults_of(weights: Any, masks: Any, decided: Any) -> Any:
    """See `faults`; what it computes on the device: one array, which is copied once."""
    pairs = zip(masks, decided, strict=True)
    changed = [jnp.any(found != mask) for found, mask in pairs]
    pairs = zip(weights, decided, strict=True)
    leaking = [jnp.any(jnp.where(mask, False, weight != 0)) for weight, mask in pairs]
    return jnp.array([changed, leaking])


_faults = jax.jit(faults_of)
_copies = jax.jit(functools.partial(jax.tree.map, jnp.copy))


def is_constant(value: Any) -> bool:
    """Whether it is an array that nothing changes."""
    return True


def gradients(loss: Any, variables: Any, scope: Any) -> list[Any]:
    """The gradients of what a function computes of variables of Keras.

    `scope` makes a context in which variables have other values.
    """

    def of(values: Any) -> Any:
        with scope(state_mapping=list(zip(variables, values, strict=True))):
            return loss()

    return list(jax.grad(of)([variable.value for variable in variables]))


def compiled(function: Any, variables: Any, scope: Any) -> Any:
    """A function of tensors that uses variables of Keras, compiled.

    `scope` makes a context in which variables have other values.
    """

    @jax.jit
    def run(values: Any, inputs: Any) -> Any:
        with scope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*inputs)

    return lambda *inputs: run([variable.value for variable in variables], inputs)


def masked(gradient: Any, mask: Any) -> Any:
    """What a mask keeps of a gradient."""
    return jnp.where(mask, gradient, jnp.zeros_like(gradient))


def reached(values: Any) -> list[str]:
    """JAX has no variables of its own."""
    return []


def untracked(model: Any) -> dict[str, Any]:
    """Arrays of JAX never change."""
    return {}


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """JAX has no random state of its own."""
    yield


def platform() -> str:
    """What computes, such as "cpu"."""
    return str(jax.default_backend())
