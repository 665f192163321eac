"""The least that a step can cost in JAX: LeNet-300-100 and Adam, written by hand.

The arithmetic of a masked step, and nothing else: no Keras, no metrics, rows in a fixed
order, one loop for an epoch.
"""

import functools
import itertools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

UNITS = (784, 300, 100, 10)
RATE, FAST, SLOW, EPSILON = 1.2e-3, 0.9, 0.999, 1e-7  # as Keras' Adam


class ByHand:
    """A masked network that is trained for epochs of `len(y) // batch` steps.

    Args:
        data: x of any shape with 784 values a row, and classes.
        batch: Rows of a step.
        density: The fraction of each kernel that survives.
    """

    def __init__(self, data: Any, batch: int, density: float) -> None:
        x, y = data
        rng = np.random.default_rng(0)
        shapes = list(itertools.pairwise(UNITS))
        kernels = [rng.normal(size=s, scale=0.05).astype("float32") for s in shapes]
        self._masks = [jnp.asarray(rng.random(s) < density) for s in shapes]
        self._x, self._y = jnp.asarray(x.reshape(len(x), -1)), jnp.asarray(y)
        self._batch, self._steps = batch, len(y) // batch
        weights = [
            (jnp.where(mask, kernel, 0), jnp.zeros(kernel.shape[1]))
            for mask, kernel in zip(self._masks, kernels, strict=True)
        ]
        first, second = (jax.tree.map(jnp.zeros_like, weights) for _ in range(2))
        self._state = weights, first, second, jnp.float32(0)
        loop = functools.partial(jax.lax.fori_loop, 0, self._steps, self._step)
        self._epoch = jax.jit(loop, donate_argnums=0)

    def epoch(self) -> float:
        """Trains for an epoch, and returns the seconds that it took."""
        started = time.perf_counter()
        self._state = jax.block_until_ready(self._epoch(self._state))
        return time.perf_counter() - started

    def _step(self, number: Any, state: Any) -> Any:
        weights, first, second, count = state
        rows = functools.partial(
            jax.lax.dynamic_slice_in_dim,
            start_index=number * self._batch,
            slice_size=self._batch,
        )
        found = jax.grad(_loss)(weights, rows(self._x), rows(self._y))
        found = [
            (jnp.where(mask, kernel, 0), bias)
            for mask, (kernel, bias) in zip(self._masks, found, strict=True)
        ]
        count += 1
        rate = RATE * jnp.sqrt(1 - SLOW**count) / (1 - FAST**count)
        move = jax.tree.map
        first = move(lambda m, g: m + (g - m) * (1 - FAST), first, found)
        second = move(lambda v, g: v + (g * g - v) * (1 - SLOW), second, found)
        weights = move(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + EPSILON),
            weights,
            first,
            second,
        )
        return weights, first, second, count


def _loss(weights: Any, x: Any, y: Any) -> Any:
    for kernel, bias in weights[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    logits = x @ weights[-1][0] + weights[-1][1]
    of_class = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
    return -jnp.mean(of_class)
