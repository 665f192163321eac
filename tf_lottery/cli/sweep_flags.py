"""The flags of `tf_lottery sweep`, checked before Keras Tuner and a Keras load."""

from typing import Any

from tf_lottery.cli import flags


def check_sweep(arguments: Any) -> None:
    """Raises unless the flags of a sweep have values that can work."""
    if arguments.max_trials is not None and arguments.max_trials < 1:
        raise ValueError(
            f"`--max_trials` must be at least 1. Received: {arguments.max_trials}."
        )
    if arguments.tuner == "hyperband" and arguments.max_trials is not None:
        raise ValueError(
            "Hyperband itself decides how many trials there are. Received: "
            f"--max_trials={arguments.max_trials}. Leave it out."
        )
    for text in arguments.objective.split(","):
        _, colon, direction = text.partition(":")
        if colon and direction not in ("min", "max"):
            raise ValueError(
                f"The direction of an objective must be min or max. Received: {text!r}."
            )
    if both := sorted({*flags.given(arguments)} & {*varied(arguments)}):
        raise ValueError(
            "A field must be either varied or fixed. Received both: "
            f"{', '.join(f'--{name}' for name in both)}."
        )


def varied(arguments: Any) -> dict[str, list[Any]]:
    """The values of each field of the plan that `--vary` names."""
    choices: dict[str, list[Any]] = {}
    for text in arguments.vary or ():
        name, _, values = text.partition("=")
        listed = [value for value in values.split(",") if value]
        if name not in flags.FIELDS or not listed:
            raise ValueError(
                "`--vary` must be like pruning_rate=0.1,0.2, with a field of the plan: "
                f"one of {', '.join(flags.FIELDS)}. Received: {text!r}. Put choices of "
                "the model into the recipe's hypermodel(hp)."
            )
        choices[name] = [flags.parsed(name, value) for value in listed]
        if not all(isinstance(each, int | float | str) for each in choices[name]):
            raise ValueError(
                "The values in `--vary` must be numbers or words. Received: "
                f"{name}, whose values are neither. Write a space(hp) in the recipe."
            )
    return choices
