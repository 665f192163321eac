"""The names that a plan can choose from.

The functions with these names are in `criteria` and `controls`. They take tickets, and
a ticket has a plan: a plan that imported them would close a circle.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from tf_lottery.core.callables import name_of

SCOPES = ("layerwise", "global")
RETRAIN = ("rewind", "lr_rewind", "fine_tune")
MODES = ("auto", "min", "max")
CRITERIA = (
    "magnitude",
    "initial_magnitude",
    "magnitude_increase",
    "movement",
    "random",
)
CONTROLS = ("reinit", "reinit_same_sign", "shuffle", "random_mask", "rewound")


def check_criterion(criterion: object) -> None:
    """Raises unless this is the name of a criterion, or a callable like one."""
    _check("criterion", criterion, CRITERIA, "(ticket, outcome) -> scores")


def check_control(control: object) -> None:
    """Raises unless this is the name of a control, or a callable like one."""
    _check("controls", control, CONTROLS, "(ticket, context) -> ticket")


def name_of_control(control: str | Callable[..., Any]) -> str:
    """The short name of a control, for directories and tables; a lambda has none."""
    if isinstance(control, str):
        check_control(control)
        return control
    name = name_of(control).rpartition(":")[2].rpartition(".")[2]
    if isinstance(control, functools.partial) or not name.isidentifier():
        raise ValueError(
            "A control must have a name, under which its results are kept. Use a "
            f"named function instead of a lambda or partial. Received: {control!r}."
        )
    return name


def known_control(control: str | Callable[..., Any]) -> str | Callable[..., Any]:
    """The name of a function of `tf_lottery.controls`; another control as it is."""
    if isinstance(control, str) or hasattr(control, "__wrapped__"):
        return control
    return _OURS.get(name_of(control), control)


_OURS = {f"tf_lottery.core.controls:{name}": name for name in CONTROLS}


def _check(argument: str, value: object, names: tuple[str, ...], call: str) -> None:
    if callable(value):
        if not _takes_two(value):
            raise ValueError(
                f"A callable in `{argument}` must be called as {call}. "
                f"Received: {name_of(value)}{inspect.signature(value)}."
            )
    elif not isinstance(value, str) or value not in names:
        raise ValueError(
            f"`{argument}` must be one of {', '.join(map(repr, names))}, or a callable "
            f"{call}. Received: {argument}={value!r}."
        )


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True
