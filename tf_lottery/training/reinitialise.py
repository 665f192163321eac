"""Fresh initial states of a model: what each seed would have given it.

A function that makes the model is called again. Of a model that was passed built,
a copy is made from its configuration, whose initialisers draw under the seed. So whole
tensors are drawn as the layers draw them.
"""

import contextlib
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.parts import Devices, Feed
from tf_lottery.bindings.protocol import Binding
from tf_lottery.core.arrays import bits
from tf_lottery.core.outcome import State
from tf_lottery.core.seeds import derive
from tf_lottery.core.words import warn

# Improbable enough to never reject a weight that its initialiser drew.
_DRAWN_OTHERWISE = 1e-12
_SAMPLE = 2_000


class Source:
    """Draws initial states of a built model; `passed` is the user's model or function.

    Without `devices`, models are made where the user's model is.
    """

    def __init__(
        self, binding: Binding, passed: Any, model: Any, feed: Feed, devices: Any
    ) -> None:
        self._binding = binding
        self._passed = passed
        self.model = model
        self._feed = feed
        self._devices: Devices | None = devices
        self._is_function = not binding.is_model(passed)

    def state(self, seed: int, like: State) -> State:
        """The state under a seed, with the names and shapes of another.

        Weights and the state of random generators are drawn; the optimizer's copies
        of weights (averages) follow, and the rest of it stays at its first value.
        """
        drawn = self.drawn(seed, like)
        if unlike := _unlike(drawn, like):
            raise ValueError(
                "The function that returns the model must return the same model each "
                f"time. Received: one that differs in {', '.join(map(repr, unlike))}."
            )
        drawn |= {name: drawn[path] for name, path in _copies(like).items()}
        return {name: drawn.get(name, like[name]) for name in like}

    def drawn(self, seed: int, like: State) -> dict[str, Any]:
        """Weights, non-trainable variables and random generators by name.

        All workers must call it, as variables are made in the scope of the devices.
        """
        model = self._model_of(seed)
        if self._is_function and any(name.startswith("random:") for name in like):
            derived = derive(seed, "generators")  # as in a search of that seed
            random = self._binding.generators_of(model, derived, self._devices)
        else:
            random = self._generators(seed, like)
        return self._weights_of(model) | random

    def with_generators(self, state: State, seed: int) -> State:
        """The state with its random generators set by a seed."""
        drawn = self._generators(seed, state)
        return ChainMap(drawn, state) if drawn else state  # type: ignore[arg-type]

    def check(self, weights: Mapping[str, Any]) -> None:
        """Raises unless a built model's weights are as its initialisers draw them.

        Replicates of trained or loaded weights would not be comparable. Warns if a
        function gives all replicates the same weights.
        """
        first, second = (self._weights_of(self._model_of(seed)) for seed in (0, 1))
        if self._is_function:
            if all(p in second and np.array_equal(first[p], second[p]) for p in first):
                warn(
                    "All replicates start from the same weights: the function that "
                    "returns the model loads them, or sets a seed itself."
                )
            return
        other = [
            path
            for path in first
            if not _is_drawn(weights[path], first[path], second[path])
        ]
        if other:
            raise ValueError(
                "Other replicates draw initial weights of their own. Received: a model "
                f"whose {', '.join(map(repr, other[:5]))} are not as an initialiser "
                "draws them: trained, or loaded. Pass a function that returns the "
                "model with the weights of each replicate, or `replicates=1`."
            )

    def _generators(self, seed: int, like: State) -> dict[str, Any]:
        names = (name for name in like if name.startswith("random:"))
        return {name: self._binding.generator(derive(seed, name)) for name in names}

    def _weights_of(self, model: Any) -> dict[str, Any]:
        drawn = self._binding.weights_of(model)
        if self._is_function:
            return drawn
        # No initialiser draws frozen weights, and models that are attributes: these
        # stay as they were passed, such as adapted statistics.
        trainable = self._binding.trainable(self.model)
        held = self._binding.weights_of(self.model)
        return drawn | {
            path: weight
            for path, weight in held.items()
            if path not in trainable or path not in drawn
        }

    def _model_of(self, seed: int) -> Any:
        binding, devices = self._binding, self._devices
        if self._is_function:
            model = binding.called(self._passed, seed, devices)
            return binding.built(model, self._feed, seed)
        scope = devices.scope() if devices else contextlib.nullcontext()
        with binding.seeded(derive(seed, "model")), scope:
            return binding.redraw(self.model)


def _unlike(drawn: Mapping[str, Any], like: State) -> list[str]:
    names = [name for name in like if not name.startswith(("optimizer:", "state:"))]
    return sorted(
        {*drawn} ^ {*names}
        | {n for n in names if n in drawn and drawn[n].shape != like[n].shape}
    )


def _copies(state: State) -> dict[str, str]:
    """The optimizer's variables that begin as a copy of a weight, by its path."""
    by_shape: dict[Any, list[str]] = {}
    for name in state:
        if ":" not in name and any(state[name].strides):
            by_shape.setdefault(state[name].shape, []).append(name)
    copies: dict[str, str] = {}
    for name in state:
        if name.startswith("optimizer:") and any(state[name].strides):
            held, like = bits(state[name]), by_shape.get(state[name].shape, ())
            paths = [p for p in like if np.array_equal(held, bits(state[p]))]
            # Of weights that begin equal, in their order.
            if paths := [p for p in paths if p not in copies.values()] or paths:
                copies[name] = paths[0]
    return copies


def _is_drawn(found: Any, first: Any, second: Any) -> bool:
    """Whether an array equals constant draws, or is distributed like a random draw."""
    from scipy.stats import ks_2samp  # takes a second, and only replicates need it

    if np.array_equal(first, second):
        # Without signs: an orthogonal matrix of one weight is 1 or -1.
        return np.array_equal(np.abs(found), np.abs(first))
    pair = (np.asarray(a, np.float64).reshape(-1)[:_SAMPLE] for a in (found, first))
    return bool(ks_2samp(*pair).pvalue > _DRAWN_OTHERWISE)
