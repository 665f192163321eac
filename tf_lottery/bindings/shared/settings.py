"""Plain Python attributes of a model, its layers and its optimizer.

A callback may change them during a training (`model.beta`, `layer.rate`,
`optimizer.momentum`): they are rewound and resumed like variables. A state holds those
that have changed since the model was compiled.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.shared.naming import parts

PREFIX = "setting:"
_PLAIN = (bool, int, float, str, type(None))
_MISSING = object()


class Settings:
    """The settings of a model, and of its optimizer if it is compiled.

    What they are when this is made is their start. `layers` are those of the model, by
    path.
    """

    def __init__(self, model: Any, layers: Mapping[str, Any]) -> None:
        self._owners = dict(_owners(model, layers))
        self._start = self._now()

    def changed(self) -> dict[str, Any]:
        """The numbers and flags that changed, as arrays by name."""
        now, start = self._now(), self._start
        return {
            name: np.asarray(value)
            for name, value in now.items()
            if not _same(value, start.get(name, _MISSING))
            and isinstance(value, bool | int | float)
            and math.isfinite(value)
        }

    def assign(self, state: Mapping[str, Any]) -> None:
        """Sets what a complete state holds, and all else as it was at the start."""
        wanted = dict(self._start)
        for name in filter(is_setting, state):
            wanted[name] = np.asarray(state[name]).item()
        now = self._now()
        for name in now.keys() | wanted.keys():
            owner, _, attribute = name.removeprefix(PREFIX).rpartition(":")
            if owner not in self._owners:
                continue  # of another optimizer, or of none
            if name not in wanted:
                delattr(self._owners[owner], attribute)
            elif not _same(now.get(name, _MISSING), wanted[name]):
                setattr(self._owners[owner], attribute, wanted[name])

    def _now(self) -> dict[str, Any]:
        return {
            f"{PREFIX}{owner}:{name}": value
            for owner, part in self._owners.items()
            for name, value in vars(part).items()
            if isinstance(value, _PLAIN)
            and (name == "_trainable" or not name.startswith("_"))
            and name != "stop_training"  # that `fit` itself sets
        }


def is_setting(name: str) -> bool:
    """Whether a name in a state is that of a setting."""
    return name.startswith(PREFIX)


def _owners(model: Any, layers: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What may have settings, by path: the model, parts of layers, the optimizer."""
    yield "", model
    for path, layer in layers.items():
        for inside, part in parts(layer):
            yield f"{path}/{inside}", part
    if (optimizer := getattr(model, "optimizer", None)) is not None:
        yield "optimizer", optimizer
        if hasattr(optimizer, "inner_optimizer"):
            yield "inner_optimizer", optimizer.inner_optimizer


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or one != one)
