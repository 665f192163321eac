"""What identifies a search: its plan, and hashes of its model and data."""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tf_lottery
from tf_lottery.core.errors import PlanMismatchError
from tf_lottery.core.plan import Plan

_PACKAGES = ("tensorflow", "tf_keras", "tensorflow-model-optimization")


def describe(
    plan: Plan,
    architecture: Mapping[str, Any] | None,
    data: Mapping[str, Mapping[str, Any]],
    **more: Any,
) -> dict[str, Any]:
    """What `plan.json` holds: the plan, hashes of model and data, and versions."""
    architecture = architecture or {}
    layers = _without_names_and_code(architecture)
    return {
        "plan": plan.to_json(),
        "fingerprint": plan.fingerprint,
        "architecture": _digest(layers),
        "layers": {
            layer["config"].get("name", layer["class_name"]): _digest(layer)
            for layer in layers.get("config", {}).get("layers", ())
        },
        "compile_config": _digest(_plain(architecture.get("compile_config"), {})),
        "data": data,
        "versions": {
            "tf_lottery": tf_lottery.__version__,
            **{name: _version(name) for name in _PACKAGES},
        },
        "machine": _machine(),
        **more,
    }


def search_digest(facts: Mapping[str, Any]) -> str:
    """What the files of a search are bound to: plan, model and data, not how much."""
    plan = Plan.from_json(facts["plan"])
    of = {name: facts[name] for name in ("architecture", "compile_config", "data")}
    return _digest({**of, "fingerprint": plan.fingerprint})


def _machine() -> dict[str, Any]:
    """Where the search runs, for its report."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _without_names_and_code(architecture: Mapping[str, Any]) -> Any:
    """The layers, without the model's and its inputs' names, and without bytecode.

    Keras counts unnamed models and inputs, so a model that is made again in the
    same process has other ones, and no weight is called after them. The bytecode
    of a lambda changes with its line in the file.
    """
    layers = {k: v for k, v in architecture.items() if k != "compile_config"}
    config = layers.get("config", {})
    inputs = [
        layer["config"]["name"]
        for layer in config.get("layers", ())
        if layer["class_name"] == "InputLayer"
    ]
    own = {name: f"own {i}" for i, name in enumerate([config.get("name"), *inputs])}
    return _plain(layers, own)


def _plain(values: Any, names: Mapping[str, str]) -> Any:
    if isinstance(values, Mapping):
        if values.get("class_name") == "__lambda__":
            return "lambda"
        return {key: _plain(value, names) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_plain(value, names) for value in values]
    return names.get(values, values) if isinstance(values, str) else values


def compare(theirs: Mapping[str, Any], ours: Mapping[str, Any], path: Path) -> None:
    """Raises if a run directory belongs to another search."""
    if differs := _difference(theirs, ours):
        raise PlanMismatchError(
            f"{path} holds another search: {differs}. Pass `overwrite=True` "
            "(`--overwrite`) to start anew, or another `run_dir`."
        )


def _difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    there, here = theirs["plan"], ours["plan"]
    plans = [Plan.from_json(plan) for plan in (there, here)]
    for name in plans[0].differences(plans[1]):
        return f"of another plan, `{name}` {_unequal(there[name], here[name])}"
    if theirs["architecture"] != ours["architecture"]:
        layers = theirs["layers"].items() ^ ours["layers"].items()
        names = ", ".join(sorted({repr(name) for name, _ in layers})) or "connections"
        return f"of another model, it differs in {names} (names of layers count)"
    if theirs["compile_config"] != ours["compile_config"]:
        return "with another optimizer, loss or metrics"
    for name in sorted({*theirs["data"], *ours["data"]}):
        there, here = (each["data"].get(name, {}) for each in (theirs, ours))
        for fact in there | here:
            if there.get(fact) != here.get(fact):
                unequal = _unequal(there.get(fact), here.get(fact))
                return f"of other data, `{name}` {fact} {unequal}"
    return ""


def _unequal(there: Any, here: Any) -> str:
    return f"is {there!r} there and {here!r} here"


def _digest(values: Any) -> str:
    text = json.dumps(values, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache  # that which is loaded, whatever is installed meanwhile
def _version(package: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None
