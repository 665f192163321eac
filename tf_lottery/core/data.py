"""Data: what a user passes for training, validation and test."""

from dataclasses import dataclass
from typing import Any

# The arguments of validation and test data, by the prefix of their metrics.
ARGUMENTS = {"val": "validation_data", "test": "test_data"}


@dataclass(frozen=True)
class Data:
    """Training, validation and test data: what a recipe's `dataset(seed)` returns.

    Each is a batched `tf.data.Dataset`, arrays `(x, y[, sample_weight])`, or a
    `keras.utils.Sequence`. Validation data decide (the step and the winner), test data
    are only reported.
    """

    train: Any
    validation: Any = None
    test: Any = None

    @property
    def evaluated(self) -> dict[str, Any]:
        """Validation and test data that there are, by the prefix of their metrics."""
        found = {"val": self.validation, "test": self.test}
        return {name: part for name, part in found.items() if part is not None}
