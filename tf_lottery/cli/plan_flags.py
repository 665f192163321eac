"""The flags of the fields of a plan: what the help says of each."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_lottery.cli.flag import Flag
from tf_lottery.core.choices import CONTROLS
from tf_lottery.core.plan import Plan

_NUMBERS: dict[Any, type] = {int: int, int | None: int, float: float}
# Of each field: what it is, and an example.
_WORDS = {
    "rounds": ("times that weights are pruned", "5"),
    "epochs": ("length of a training in epochs", "10"),
    "steps": ("length of a training in steps, instead of epochs", "2000"),
    "steps_per_epoch": ("steps of an epoch, for endless data", "500"),
    "batch_size": ("batch size of data that are arrays", "128"),
    "evaluate_every": ("steps between validation passes", "100"),
    "pruning_rate": ("fraction of the remaining weights that a round removes", "0.3"),
    "layer_rates": ("other rates of some layers", "logits=0.1,block1/*=0"),
    "scope": ("which weights are ranked together", "global"),
    "criterion": ("what scores the weights", "movement"),
    "block_size": ("units,inputs of a block that is kept or removed as one", "1,4"),
    "rewind_to": ("where tickets start: a step, or like 500it or 2ep", "500it"),
    "retrain": ("from where a ticket is trained again", "lr_rewind"),
    "monitor": ("the score that decides", "val_accuracy"),
    "mode": ("whether a lower or a higher score is better", "max"),
    "tolerance": ("how much worse than dense a score may be and still match", "0.005"),
    "controls": (
        f"what to compare tickets with: {', '.join(CONTROLS)}",
        "reinit,shuffle",
    ),
    "control_rounds": (
        "rounds with controls, like 3,7 for all",
        "reinit=3,shuffle=3,7",
    ),
    "control_replicates": ("how often each control is drawn", "3"),
    "replicates": ("how often the search is repeated", "5"),
    "together": ("trainings that share a program, on JAX: auto or a number", "4"),
    "seed": ("the number that all random choices derive from", "1"),
}
# What the default None, or an empty one, means.
_DEFAULTS = {
    "steps": "epochs decide",
    "steps_per_epoch": "the length of the data",
    "batch_size": "32",
    "evaluate_every": "the steps of an epoch",
    "layer_rates": "none",
    "block_size": "1,1",
    "monitor": "the first metric, else the loss; on validation data if given",
    "controls": "none",
    "control_rounds": "all except round 0",
}


def of_plan() -> Mapping[str, Flag]:
    """A flag for each field of `Plan`."""
    return {field.name: _flag(field) for field in dataclasses.fields(Plan)}


def _flag(field: "dataclasses.Field[Any]") -> Flag:
    text, example = _WORDS[field.name]
    how = {
        "type": _NUMBERS.get(field.type, str),
        "choices": field.metadata["choices"] or None,
    }
    default = _DEFAULTS.get(field.name, str(field.default))
    return Flag(text, default, example, how)
