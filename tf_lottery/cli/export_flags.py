"""The flags of `tf_lottery export` that are options of `Ticket.export`."""

import argparse
from typing import Any

from tf_lottery.cli.flag import Flag

_SWITCH = {"action": argparse.BooleanOptionalAction, "default": None}


def _truth(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text.lower(), text)


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _of(*choices: Any, **how: Any) -> dict[str, Any]:
    return {"choices": choices, **how}


EXPORT: dict[str, Flag] = {
    "weights": Flag(
        "which trained weights are exported: those of the smallest validation loss, or "
        "the final ones",
        "best",
        "final",
        _of("best", "final"),
    ),
    "layout": Flag(
        "how a SavedModel holds its weights",
        "packed",
        "dense",
        _of("packed", "dense"),
    ),
    "quantize": Flag(
        "numbers of a TFLite file",
        "float32",
        "int8",
        _of("float16", "dynamic", "int8"),
    ),
    "io": Flag(
        "type of the inputs and outputs of a TFLite file in int8",
        "float32",
        "int8",
        _of("float32", "int8"),
    ),
    "sparse": Flag(
        "whether a TFLite file leaves zeros out: auto (the smallest file), true, false "
        "or blocks",
        "auto",
        "blocks",
        {"type": _truth},
    ),
    "compact": Flag(
        "remove dead and constant units",
        "on for TFLite, else off",
        how=_SWITCH,
    ),
    "drop_inputs": Flag("also drop inputs that no weight uses", "off", how=_SWITCH),
    "batch_size": Flag(
        "examples per call of a TFLite file",
        "open",
        "1",
        {"type": int},
    ),
    "input_shape": Flag(
        "shape of one example, if the model leaves it open and no recipe gives data",
        "that of the model or the data",
        "64,64,3",
        {"type": _whole_numbers},
    ),
    "tolerance": Flag(
        "how much the outputs of a TFLite file may differ from the ticket's",
        "1e-5; 0.002 in float16, 0.05 in dynamic, 0.1 in int8",
        "0.01",
        {"type": float},
    ),
    "model_card": Flag(
        "also write a model card for people, like that of the Hugging Face Hub",
        "off",
        how=_SWITCH,
    ),
    "latency_runs": Flag(
        "how often the latency is measured; 0: not at all",
        "50",
        "0",
        {"type": int},
    ),
    "verbose": Flag("whether the card is printed", "1", "0", _of(0, 1, type=int)),
}
