"""JAX: a group of steps is one program, a loop over batches that lie on the device.

A group of one step is the same program as one of many: the bits are equal. Where a loop
would be slow, a program of one step is called for each.
"""

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tf_lottery.bindings.keras3.engines.rows import (
    ROOM,
    RowsOnDevice,
    number_of_bytes,
)

# From what no step changes, the state, and a batch to logs and the next state.
Step = Callable[[Any, Any, Any], tuple[Any, Any]]

_STACKED_BATCHES, _STACKED_BYTES = 50, 2**26  # that are sent at once, at most


def grouped(step: Step, donate: bool) -> Callable[[Any, Any, Any, int], Any]:
    """A compiled function that takes a number of steps on a source of `Sources`.

    It returns the logs of the last. With `donate`, it takes over the state's memory.
    """
    traced = jax.jit(step)
    compiled = functools.partial(jax.jit, donate_argnums=1 if donate else ())

    @compiled
    def one(fixed: Any, state: Any, source: Any, at: Any) -> Any:
        return traced(fixed, state, _batch(source, at))

    @compiled
    def many(fixed: Any, state: Any, source: Any, number: Any) -> Any:
        def body(at: Any, carried: Any) -> Any:
            _, old = carried
            logs, new = traced(fixed, old, _batch(source, at))
            return logs, jax.tree.map(lambda a, b: jnp.asarray(a, b.dtype), new, old)

        shapes, _ = jax.eval_shape(traced, fixed, state, _batch(source, 0))
        logs = jax.tree.map(lambda each: jnp.zeros(each.shape, each.dtype), shapes)
        return jax.lax.fori_loop(0, number, body, (logs, state))

    def in_turn(fixed: Any, state: Any, source: Any, number: int) -> Any:
        for at in range(number):
            logs, state = one(fixed, state, source, at)
        return logs, state

    # Chosen once: the bits of steps must not depend on their groups.
    taken: Any = None

    def run(fixed: Any, state: Any, source: Any, number: int) -> Any:
        nonlocal taken
        if taken is None:
            batch = jax.eval_shape(_batch, source, 0)
            slow = _is_slow_in_loops(traced, fixed, state, batch)
            taken = in_turn if slow else many
        return taken(fixed, state, source, number)

    return run


class Sources:
    """Gives the batches of groups to the device: `(source, number of batches)`.

    A source is rows that stay there and the positions of each batch in them, or, where
    the rows do not fit, batches that lie behind one another. Its shapes do not depend
    on the number of batches: each group is the same program.

    Args:
        most: The most batches of a group.

    Attributes:
        rows: Those that stay there.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = RowsOnDevice(jax.device_put, room)

    def __call__(
        self, batches: Any, number: int | None, most: int
    ) -> Iterator[tuple[Any, int]]:
        """All batches, or so many; at most `most` in a group."""
        if (rows := self.rows.of(batches)) is not None:
            return self._positions(rows, batches, number, most)
        return self._stacked(itertools.islice(batches, number), most)

    def _positions(
        self, rows: Any, batches: Any, number: int | None, most: int
    ) -> Iterator[tuple[Any, int]]:
        done = 0
        while number is None or done < number:
            due = most if number is None else min(most, number - done)
            try:
                found = batches.positions(due)
            except StopIteration:
                return
            padded = np.zeros((self._most, found.shape[1]), np.int32)
            padded[: len(found)] = found
            yield (rows, padded), len(found)
            done += len(found)

    def _stacked(self, batches: Iterator[Any], most: int) -> Iterator[tuple[Any, int]]:
        for _, alike in itertools.groupby(batches, _spec):
            yield from self._stacks(alike, most)

    def _stacks(self, alike: Iterator[Any], most: int) -> Iterator[tuple[Any, int]]:
        first = next(alike)
        fitting = max(1, _STACKED_BYTES // max(1, number_of_bytes(first)))
        room = min(self._most, _STACKED_BATCHES, fitting)
        alike = itertools.chain([first], alike)
        while found := list(itertools.islice(alike, min(room, most))):
            yield (_stack(found, room), None), len(found)


def _is_slow_in_loops(step: Any, *arguments: Any) -> bool:
    """Whether a step convolves on a CPU: twelve times slower in a loop (JAX 0.10)."""
    if jax.default_backend() != "cpu":
        return False
    return "conv_general_dilated[" in str(jax.make_jaxpr(step)(*arguments))


def _batch(source: Any, at: Any) -> Any:
    """The batch of a source at a place."""
    arrays, positions = source
    if positions is None:
        return jax.tree.map(lambda array: array[at], arrays)
    found = positions[at]
    return jax.tree.map(lambda a: jnp.take(a, found, axis=0, mode="clip"), arrays)


def _stack(batches: list[Any], room: int) -> Any:
    """Batches behind one another, in arrays with room for more."""

    def stack(*parts: Any) -> Any:
        made = np.empty((room, *parts[0].shape), parts[0].dtype)
        np.stack(parts, out=made[: len(parts)])
        return made

    return jax.tree.map(stack, *batches)


def _spec(batch: Any) -> Any:
    leaves, structure = jax.tree.flatten(batch)
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]


def room() -> int:
    """How many bytes of rows the device can keep."""
    stats = jax.local_devices()[0].memory_stats()
    if not stats or "bytes_limit" not in stats:
        return ROOM
    return int(stats["bytes_limit"] - stats["bytes_in_use"]) // 2
