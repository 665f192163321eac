"""Flags that override a recipe's plan, one for each field."""

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

from tf_lottery.core.plan import Plan

FIELDS = tuple(field.name for field in dataclasses.fields(Plan))
_NUMBERS: dict[Any, type] = {int: int, int | None: int, float: float}

EXPORT: dict[str, dict[str, Any]] = {
    "weights": {"choices": ("best", "final"), "help": "default: best"},
    "layout": {"choices": ("packed", "dense"), "help": "of a SavedModel"},
    "quantize": {"choices": ("float16", "dynamic", "int8"), "help": "of a TFLite file"},
    "io": {
        "choices": ("float32", "int8"),
        "help": "of a TFLite file in int8: the type of its inputs and outputs; "
        "default: float32",
    },
    "sparse": {
        "type": lambda text: {"true": True, "false": False}.get(text.lower(), text),
        "help": "auto, true, false or blocks: whether a TFLite file leaves zeros out",
    },
    "compact": {
        "action": argparse.BooleanOptionalAction,
        "help": "remove dead and constant units; default for TFLite",
    },
    "drop_inputs": {
        "action": argparse.BooleanOptionalAction,
        "help": "also drop inputs that no weight uses",
    },
    "batch_size": {"type": int, "help": "of a TFLite file; default: open"},
    "input_shape": {
        "type": lambda text: tuple(map(int, text.split(","))),
        "help": "of one example, like 64,64,3, if the model leaves it open and no "
        "recipe gives data",
    },
    "tolerance": {
        "type": float,
        "help": "how much the outputs of a TFLite file may differ",
    },
    "model_card": {
        "action": "store_true",
        "help": "also write a model card, like that of the Hugging Face Hub",
    },
    "latency_runs": {"type": int, "help": "how often to measure; 0: not at all"},
    "verbose": {"type": int, "choices": (0, 1), "help": "whether to print the card"},
}


def add(parser: Any) -> None:
    """Adds a flag for each field of `Plan`."""
    group = parser.add_argument_group("plan", "These override the recipe's PLAN.")
    for field in dataclasses.fields(Plan):
        group.add_argument(
            f"--{field.name}",
            type=_NUMBERS.get(field.type, str),
            choices=field.metadata["choices"] or None,
            help=field.metadata["help"],
        )


def given(arguments: Any) -> list[str]:
    """The fields of the plan whose flags were given."""
    return [name for name in FIELDS if getattr(arguments, name) is not None]


def parsed(name: str, text: str) -> Any:
    """One value of a field, parsed as its flag is."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add(parser)
    try:
        arguments = parser.parse_args([f"--{name}={text}"])
    except argparse.ArgumentError as error:
        raise ValueError(f"`--vary` cannot be read: {error}") from error
    return getattr(override(Plan(), arguments), name)


def check(arguments: Any) -> None:
    """Raises unless each value that was given can work in some plan."""
    for name in given(arguments):
        alone = dict.fromkeys(FIELDS) | {name: getattr(arguments, name)}
        changes = _changes(argparse.Namespace(**alone))
        if name != "control_rounds":  # needs those of other fields
            dataclasses.replace(Plan(), **changes)


def override(plan: Plan, arguments: Any) -> Plan:
    """The plan with the flags that were given."""
    return dataclasses.replace(plan, **_changes(arguments))


def _changes(arguments: Any) -> dict[str, Any]:
    """The values of the fields whose flags were given."""
    changes = {name: getattr(arguments, name) for name in given(arguments)}
    for name, (parse, example) in _TEXTS.items():
        if name in changes:
            try:
                changes[name] = parse(changes[name])
            except ValueError as error:
                raise ValueError(
                    f"`--{name}` must be like {example}. Received: {changes[name]!r}."
                ) from error
    if str(changes.get("rewind_to", "")).isdigit():
        changes["rewind_to"] = int(changes["rewind_to"])
    if "epochs" in changes:  # one length replaces the other of the recipe
        changes = {"steps": None, **changes}
    elif "steps" in changes:
        changes["epochs"] = 1
    return changes


def _rates(text: str) -> dict[str, float]:
    pairs = (pair.rsplit("=", 1) for pair in text.split(",") if pair)
    return {key: float(value) for key, value in pairs}


def _control_rounds(text: str) -> Any:
    chosen: dict[str, tuple[int, ...]] = {}
    name = ""
    for part in filter(None, text.split(",")):
        *named, number = part.rsplit("=", 1)
        name = named[0] if named else name
        chosen[name] = (*chosen.get(name, ()), int(number))
    return chosen.get("", chosen) or None


# How the text of a flag is read, and an example of one.
_TEXTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "layer_rates": (_rates, "logits=0.1,block1/*=0"),
    "block_size": (lambda text: tuple(map(int, text.split(","))), "1,4"),
    "controls": (lambda text: tuple(filter(None, text.split(","))), "reinit,shuffle"),
    "control_rounds": (_control_rounds, "3,7 or reinit=3,7,shuffle=7"),
}
