"""What the exports of all formats share."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Options:
    """Options of an export, of whatever format.

    Args:
        weights: "best" (minimum validation loss), "final" or "initial"; a model that
            is exported has but its own.
        data: On what the file is compared and timed, up to 1,000 examples: a dataset
            or arrays, with labels for accuracy. Default: the search's test data where
            they are at hand, else inputs by chance.
        latency_runs: How many interleaved pairs of measurements; 0 measures nothing.
        overwrite: Whether to replace what is there.
        custom_objects, safe_mode: See `Ticket.model`.
        model: What the ticket's weights go into, a model like that of its search, where
            Keras cannot make one from the ticket's file.
        verbose: Whether to print the card.
    """

    weights: str = "best"
    data: Any = None
    latency_runs: int = 50
    overwrite: bool = False
    custom_objects: Mapping[str, Any] | None = None
    safe_mode: bool = True
    model: Any = None
    verbose: int = 1

    @classmethod
    def of(cls, format: str, given: Mapping[str, Any]) -> "Options":
        """The options that were given to a format's function.

        Raises:
            TypeError: One that the format does not have.
        """
        unknown = given.keys() - {each.name for each in dataclasses.fields(cls)}
        if unknown:
            names = ", ".join(each.name for each in dataclasses.fields(cls))
            raise TypeError(
                f"The format {format!r} must be given its own options, or {names}. "
                f"Received: {', '.join(sorted(unknown))}. (`quantize` and `sparse` are "
                'of format="tflite", `layout` of "saved_model".)'
            )
        return cls(**given)

    def __post_init__(self) -> None:
        if not isinstance(self.latency_runs, int) or self.latency_runs < 0:
            raise ValueError(
                "`latency_runs` must be a number of measurements, or 0 for none. "
                f"Received: latency_runs={self.latency_runs!r}."
            )
