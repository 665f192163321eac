"""Random numbers that code of the user's draws, from the process or from its own."""

import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType, TracebackType
from typing import Any

import numpy as np

# How deep, and in how long lists, generators are looked for.
_DEPTH, _MOST = 6, 100


class Randomness:
    """Inside, Python, NumPy and PyTorch draw on from a seed; outside as before.

    So do some generators of the user's. It can be entered again, and then goes on where
    it was. PyTorch is left alone where it is not imported.
    """

    def __init__(self, seed: int, generators: Iterable[Any] = ()) -> None:
        self._seed = seed
        self._generators = tuple(generators)
        self._own: Any = None
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = self._states()
        if self._own is None:
            _seed_process(self._seed)
            for generator in self._generators:
                _seed(generator, self._seed)
        else:
            self._set_states(self._own)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._own = self._states()
        self._set_states(self._before)

    def _states(self) -> tuple[Any, list[Any]]:
        return _process_states(), [_state(each) for each in self._generators]

    def _set_states(self, states: tuple[Any, list[Any]]) -> None:
        process, own = states
        _set_process_states(process)
        for generator, state in zip(self._generators, own, strict=True):
            _set_state(generator, state)


def generators_of(value: Any) -> list[Any]:
    """The generators of Python, NumPy and PyTorch that an object holds.

    They are found in its attributes, and in those of what it holds.
    """
    return list(_generators(value, _DEPTH, set()))


def _generators(value: Any, depth: int, seen: set[int]) -> Iterator[Any]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if _is_generator(value):
        yield value
    elif depth:
        for part in _parts(value):
            yield from _generators(part, depth - 1, seen)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, type | ModuleType | FunctionType):
        return []
    is_plain = isinstance(value, dict | list | tuple)
    held = value if is_plain else getattr(value, "__dict__", {})
    if len(held) > _MOST:
        return []
    return list(held.values() if isinstance(held, Mapping) else held)


def _is_generator(value: Any) -> bool:
    if isinstance(value, random.SystemRandom):
        return False
    own = random.Random | np.random.Generator | np.random.RandomState
    torch = sys.modules.get("torch")
    return isinstance(value, own) or bool(torch and isinstance(value, torch.Generator))


def _seed(generator: Any, seed: int) -> None:
    if isinstance(generator, np.random.Generator):
        bits = generator.bit_generator
        bits.state = type(bits)(seed).state
    elif isinstance(generator, np.random.RandomState):
        generator.seed(seed % 2**32)
    elif isinstance(generator, random.Random):
        generator.seed(seed)
    else:
        generator.manual_seed(seed)


def _state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, random.Random):
        return generator.getstate()
    return generator.get_state()


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        generator.set_state(state)


def _seed_process(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def _process_states() -> tuple[Any, Any, Any]:
    torch = sys.modules.get("torch")
    return random.getstate(), np.random.get_state(), torch and torch.get_rng_state()


def _set_process_states(states: tuple[Any, Any, Any]) -> None:
    python, numpy, own = states
    random.setstate(python)
    np.random.set_state(numpy)
    if own is not None:
        sys.modules["torch"].set_rng_state(own)
