"""What can be asked of every export, whatever its format."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Options:
    """The options of every export, whatever its format.

    Args:
        weights: "best" (minimum validation loss), "final" or "initial"; a model that
            is exported has only its own.
        data: On what the file is compared and timed, up to 1,000 examples: a dataset
            or arrays, with labels for accuracy. Default: the search's test data if
            they are at hand, else random inputs.
        latency_runs: How many interleaved pairs of measurements; 0 measures nothing.
        overwrite: Whether to replace a file that is there.
        custom_objects, safe_mode: See `Ticket.model`.
        model: What the ticket's weights go into, a model like that of its search, if
            Keras cannot make one from the ticket's file.
        verbose: Whether to print the card.
        compact: Whether to remove dead and constant units first, see `compact`; True
            for TFLite.
        drop_inputs: With `compact`, whether to drop inputs that no weight uses.
    """

    weights: str = "best"
    data: Any = None
    latency_runs: int = 50
    overwrite: bool = False
    custom_objects: Mapping[str, Any] | None = None
    safe_mode: bool = True
    model: Any = None
    verbose: int = 1
    compact: bool = False
    drop_inputs: bool = False

    @classmethod
    def of(cls, format: str, given: Mapping[str, Any]) -> "Options":
        """The options that were given to a format's function, if it has them."""
        known = [each.name for each in dataclasses.fields(cls)]
        unknown = given.keys() - set(known)
        if unknown:
            raise TypeError(
                f"An export must be given options of its format, {format!r}, or "
                f"{', '.join(known)}. Received: {', '.join(sorted(unknown))}. "
                '(`quantize`, `io` and `sparse` are of format="tflite", `layout` of '
                '"saved_model".)'
            )
        return cls(**given)

    def __post_init__(self) -> None:
        if not isinstance(self.latency_runs, int) or self.latency_runs < 0:
            raise ValueError(
                "`latency_runs` must be a number of measurements, or 0 for none. "
                f"Received: latency_runs={self.latency_runs!r}."
            )
        if self.drop_inputs and not self.compact:
            raise ValueError(
                "`drop_inputs=True` needs `compact=True`. Received: compact=False."
            )
