"""Random numbers that code of the user's draws from what a process shares."""

import random
import sys
from types import TracebackType
from typing import Any

import numpy as np


class Randomness:
    """Inside, Python, NumPy and PyTorch draw on from a seed; outside as before.

    It can be entered again, and then goes on where it was. PyTorch is left alone where
    it is not imported.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._own: Any = None
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = _states()
        if self._own is None:
            random.seed(self._seed)
            np.random.seed(self._seed % 2**32)
            if torch := sys.modules.get("torch"):
                torch.manual_seed(self._seed)
        else:
            _set_states(self._own)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._own = _states()
        _set_states(self._before)


def _states() -> tuple[Any, Any, Any]:
    torch = sys.modules.get("torch")
    return random.getstate(), np.random.get_state(), torch and torch.get_rng_state()


def _set_states(states: tuple[Any, Any, Any]) -> None:
    python, numpy, own = states
    random.setstate(python)
    np.random.set_state(numpy)
    if own is not None:
        sys.modules["torch"].set_rng_state(own)
