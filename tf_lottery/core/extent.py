"""How much a plan trains beside the tickets: which controls, of which rounds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Controls = tuple[str | Callable[..., Any], ...]


def name_in_files(control: str | Callable[..., Any]) -> str:
    """What a control is called in tables and run directories."""
    from tf_lottery.core.controls import name_of_control

    return name_of_control(control)


def checked_controls(controls: Any) -> Controls:
    """The controls as a tuple.

    Raises:
        ValueError: An unknown name, or two of one name.
    """
    from tf_lottery.core import controls as known

    if isinstance(controls, str) or callable(controls):
        controls = (controls,)
    for control in controls:
        known.get(control)
    names = [name_in_files(control) for control in controls]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            "`controls` must have names that differ: they are written to directories "
            f"of these names. Received twice: {', '.join(map(repr, twice))}."
        )
    return tuple(controls)


def checked_rounds(chosen: Any, controls: Controls, rounds: int) -> Any:
    """The rounds that have controls: a tuple, one for each control, or None.

    Raises:
        ValueError: A control that is not in the plan, or a round that is not pruned.
    """
    if chosen is None:
        return None
    if not isinstance(chosen, Mapping):
        return _pruned_rounds(chosen, rounds)
    names = [name_in_files(control) for control in controls]
    if unknown := [name for name in chosen if name not in names]:
        raise ValueError(
            "`control_rounds` must name controls of the plan. "
            f"Received: {', '.join(map(repr, unknown))}; "
            f"controls={tuple(names)!r}."
        )
    return {name: _pruned_rounds(each, rounds) for name, each in chosen.items()}


def _pruned_rounds(chosen: Sequence[int], rounds: int) -> tuple[int, ...]:
    if isinstance(chosen, int):
        chosen = (chosen,)
    if not all(isinstance(n, int) and 1 <= n <= rounds for n in chosen):
        raise ValueError(
            f"`control_rounds` must be pruned rounds, 1 to {rounds}. "
            f"Received: {tuple(chosen)!r}."
        )
    return tuple(chosen)
