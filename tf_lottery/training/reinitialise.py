"""Fresh initial states of a model: what each seed would have given it.

A function that makes the model is called again. Of a model that was passed built,
a copy is made from its configuration, whose initialisers draw under the seed, so that
whole tensors are drawn as the layers draw them.
"""

import contextlib
from collections import ChainMap
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.tf_keras import models
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.copying.copier import copy_model
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.seeds import seeded
from tf_lottery.bindings.tf_keras.states import generators
from tf_lottery.bindings.tf_keras.tfmot.wrap import redraw
from tf_lottery.core.encoding import bits
from tf_lottery.core.outcome import State
from tf_lottery.core.seeds import derive
from tf_lottery.core.words import warn

# So improbable that a weight that its initialiser drew never looks otherwise.
_DRAWN_OTHERWISE = 1e-12
_SAMPLE = 2_000


class Source:
    """Draws initial states of one model.

    Args:
        given: What the user passed: a model, or a function that returns one.
        model: The built model that came of it.
        spec: The element spec of a batch.
        strategy: The one that the model is made in.
    """

    def __init__(self, given: Any, model: Any, spec: Any, strategy: Any) -> None:
        self._given = given
        self.model = model
        self._spec = spec
        self._strategy = strategy

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

        All workers must call it, as variables are made in the strategy's scope.
        """
        model = self._model_of(seed)
        names = [name for name in like if name.startswith("random:")]
        if names and self._is_function:  # as they are in a search of that seed
            with (self._strategy or model.distribute_strategy).scope():
                copied = copy_model(model, derive(seed, "generators"))
            random = {n: v.numpy() for n, v in generators(copied).items()}
        else:
            random = {name: _generator(seed, name) for name in names}
        return self._weights_of(model) | random

    def weights(self, seed: int) -> dict[str, Any]:
        """Weights and non-trainable variables by path.

        Of a built model those that are not trainable stay as they were passed:
        adapted statistics and frozen layers are no one's draw.
        """
        return self._weights_of(self._model_of(seed))

    def _weights_of(self, model: Any) -> dict[str, Any]:
        drawn = {path: weight.numpy() for path, weight in named_weights(model).items()}
        return drawn | self._fixed(drawn)

    def _fixed(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """What no initialiser draws: frozen weights, models that are attributes."""
        if self._is_function:
            return {}
        trainable = {id(weight) for weight in self.model.trainable_weights}
        return {
            path: weight.numpy()
            for path, weight in named_weights(self.model).items()
            if id(weight) not in trainable or path not in drawn
        }

    def check(self, weights: Mapping[str, Any]) -> None:
        """Raises unless a built model's weights are as its initialisers draw them.

        Replicates of trained or loaded weights would not be of one kind. Of a function
        it says if it gives all replicates the same weights.

        Raises:
            ValueError: Weights that no initialiser draws.
        """
        first, second = self.weights(0), self.weights(1)
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
                "Other replicates draw the initial weights anew. Received: a model "
                f"whose {', '.join(map(repr, other[:5]))} are not as an initialiser "
                "draws them: trained, or loaded. Pass a function that returns the "
                "model with the weights of each replicate, or `replicates=1`."
            )

    @property
    def _is_function(self) -> bool:
        return not isinstance(self._given, keras.Model)

    def _model_of(self, seed: int) -> Any:
        if self._is_function:
            model = models.called(self._given, seed, self._strategy)
            return models.built(model, self._spec, seed)
        scope = self._strategy.scope() if self._strategy else contextlib.nullcontext()
        with seeded(derive(seed, "model")), scope:
            return redraw(self.model)


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
            shape, held = state[name].shape, bits(state[name])
            paths = [p for p in by_shape.get(shape, ()) if _is(held, state[p])]
            # Of weights that begin equal, in their order.
            if paths := [p for p in paths if p not in copies.values()] or paths:
                copies[name] = paths[0]
    return copies


def _is(held: Any, array: Any) -> bool:
    return bool(np.array_equal(held, bits(array)))


def _generator(seed: int, name: str) -> Any:
    return tf.random.Generator.from_seed(derive(seed, name)).state.numpy()


def _is_drawn(found: Any, first: Any, second: Any) -> bool:
    """Whether an array is as two draws are: equal to constants, else alike."""
    from scipy.stats import ks_2samp

    if np.array_equal(first, second):
        # Without signs: an orthogonal matrix of one weight is 1 or -1.
        return np.array_equal(np.abs(found), np.abs(first))
    pair = (np.asarray(a, np.float64).reshape(-1)[:_SAMPLE] for a in (found, first))
    return bool(ks_2samp(*pair).pvalue > _DRAWN_OTHERWISE)


def with_generators(state: State, seed: int) -> State:
    """The state with its random generators set by a seed."""
    names = (name for name in state if name.startswith("random:"))
    drawn = {name: _generator(seed, name) for name in names}
    return ChainMap(drawn, state) if drawn else state  # type: ignore[arg-type]
