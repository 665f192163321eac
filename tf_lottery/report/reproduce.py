"""How to run a search again: as a command, and as a Python call."""

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from tf_lottery.core.plan import Plan

OPTIONS = ("dtype_policy", "limit_batches")  # flags that are not fields of the plan


def command(plan: Plan, recipe: str, options: Mapping[str, Any] | None = None) -> str:
    """The command that runs the search of a recipe again.

    It has a flag for each choice that is not the default, also for those that were made
    by flags. A user's own criterion or control has no flag: the recipe has it.
    `options` may have values of `OPTIONS`.
    """
    given = {name: (options or {}).get(name) for name in OPTIONS}
    values = not_default(plan)
    values = {name: values[name] for name in values if not _is_own(name, values[name])}
    values |= {name: value for name, value in given.items() if value is not None}
    words = [f"--{name} {shlex.quote(_flag(value))}" for name, value in values.items()]
    return " \\\n    ".join([f"tf_lottery find {shlex.quote(recipe)}", *words])


def call(plan: Plan, data: Iterable[str] = ()) -> str:
    """The Python call, with the choices that are not the default.

    `data` has the names of the arguments that data were passed as.
    """
    lines = ["model", "dataset"]
    lines += [f"{name}={name}" for name in data if name != "dataset"]
    lines += [f"{name}={_python(value)}" for name, value in not_default(plan).items()]
    body = "".join(f"    {line},\n" for line in [*lines, 'run_dir="..."'])
    return f"ticket = tf_lottery.find_ticket(\n{body})"


def not_default(plan: Plan) -> dict[str, Any]:
    """The choices that are not the default; the length of a training always."""
    default, values = Plan().to_json(), plan.to_json()
    length = "epochs" if plan.steps is None else "steps"
    return {
        name: value
        for name, value in values.items()
        if value != default[name] or name == length
    }


def _is_own(name: str, value: Any) -> bool:
    own = value if name == "controls" else [value] if name == "criterion" else []
    return any(":" in each for each in own)


def _flag(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_flag(each)}" for key, each in value.items())
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _python(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_python, value))}]"
    if not isinstance(value, str):
        return repr(value)
    return value.replace(":", ".") if ":" in value else json.dumps(value)
