"""The passes over validation and test data."""

import time
from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.parts import Engine, Logs
from tf_lottery.core import stopping
from tf_lottery.training.pace import Pace


class Passes:
    """Evaluates a model on the data of a seed, in groups of steps.

    Args:
        engine: Evaluates its model.
        evaluated: Validation and test data, by the prefix of their metrics.

    Attributes:
        counted: How many batches the first and the last pass over each had.
    """

    def __init__(self, engine: Engine, evaluated: Mapping[str, Any]) -> None:
        self._engine = engine
        self._evaluated = evaluated
        self._paces = {name: Pace(engine.least, engine.group) for name in evaluated}
        self.counted: dict[str, tuple[int, int]] = {}

    def evaluate(self, name: str, callbacks: Any = None) -> Logs:
        """The metrics `name_*` on data; empty if there are no such data."""
        if name not in self._evaluated:
            return {}
        stopping.check()
        began, pace = time.monotonic(), self._paces[name]
        data = self._evaluated[name]
        logs, batches = self._engine.evaluate(data, pace.size, callbacks)
        pace.measured(max(batches, 1), time.monotonic() - began)
        first, _ = self.counted.get(name, (batches, 0))
        self.counted[name] = first, batches
        return {f"{name}_{metric}": value for metric, value in logs.items()}
