"""What identifies a search: its plan, and hashes of its model and data."""

import contextlib
import functools
import importlib.metadata
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_lottery._version import __version__
from tf_lottery.core.errors import PlanMismatchError
from tf_lottery.core.machine import processor
from tf_lottery.core.naming import stable_names
from tf_lottery.core.packages import is_known
from tf_lottery.core.plan import Plan
from tf_lottery.core.words import warn
from tf_lottery.run_dir.sealed import digest_of_sorted

# Begins a name that is stable already: it is not one that Keras counted.
_NEW = "="
# Characters of a setting that is kept for messages.
_LONGEST = 80


def manifest_of(
    plan: Plan,
    architecture: Mapping[str, Any] | None,
    data: Mapping[str, Mapping[str, Any]],
    values: Mapping[str, str] | None = None,
    packages: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """What `plan.json` holds: the plan, hashes of model and data, and versions.

    The arguments are `Trainer.facts`, and `more` entries.
    """
    model = _stable(_without_own_name(architecture or {}))
    compiled = model.pop("compile_config", None)
    return {
        "plan": plan.to_json(),
        "fingerprint": plan.fingerprint,
        "architecture": _digest([model, values] if values else model),
        "values": dict(values or {}),
        "modules": dict(sorted(_modules(architecture))),
        "layers": {
            (_name(layer) or layer["class_name"]).removeprefix(_NEW): _digest(layer)
            for layer in model.get("config", {}).get("layers", ())
        },
        "settings": dict(_settings(model)),  # for the message of a mismatch
        "compile_config": {
            name: _digest(value) for name, value in (compiled or {}).items()
        },
        "data": data,
        "versions": {
            "tf_lottery": __version__,
            **{name: _version(name) for name in packages},
        },
        "machine": {  # for the report
            "processor": processor(),
            "cores": os.cpu_count(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
        **more,
    }


def search_digest(manifest: Mapping[str, Any]) -> str:
    """The digest of plan, model and data, in each ticket and `metrics.json`.

    How much of the plan is trained is not part of it.
    """
    plan = Plan.from_json(manifest["plan"])
    of = {name: manifest[name] for name in ("architecture", "compile_config", "data")}
    return _digest({**of, "fingerprint": plan.fingerprint})


def _without_own_name(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """A model without the names that no weight has in its path: its own, its inputs'.

    The outputs, by whose names it may be compiled, are renamed like its layers.
    """
    config = architecture.get("config", {})
    layers = config.get("layers", ())
    inputs = [_name(layer) for layer in layers if layer["class_name"] == "InputLayer"]
    names = {str(name): f"input {number}" for number, name in enumerate(inputs)}
    if isinstance(config.get("name"), str):
        names[config["name"]] = "model"
    names |= {name: new for name, new in _names_of(layers).items() if name not in names}
    return dict(_renamed(architecture, names))


def _stable(values: Any) -> Any:
    """A serialized model in a form that all copies of the model have.

    Names that Keras counted become positions, see `core.naming`. The bytecode of a
    lambda is left out, as it changes with its line in the file. The module of a class
    that is not from Keras is left out, too: a class that is moved stays the same.
    """
    if isinstance(values, list | tuple):
        return _renamed_each([_stable(value) for value in values])
    if not isinstance(values, Mapping):
        return values
    if values.get("class_name") == "__lambda__":
        return "lambda"
    kept = values.keys() - ({"module"} if _is_foreign(values) else set())
    parts = {
        key: _renamed_each([_stable(value)])[0]
        for key, value in values.items()
        if key in kept
    }
    layers = values.get("layers")
    if isinstance(layers, list | tuple) and all(map(_is_object, layers)):
        return _renamed(parts, _names_of(layers))
    return parts


def _modules(values: Any) -> Iterator[tuple[str, str]]:
    """The classes that are not from Keras, and their modules."""
    if isinstance(values, Mapping):
        if _is_foreign(values):
            # Keras writes no module for a class of the program that runs.
            yield values["class_name"], values["module"] or "__main__"
        for value in values.values():
            yield from _modules(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _modules(value)


def _is_foreign(values: Mapping[str, Any]) -> bool:
    """Whether it is a serialized object of a class that is not from Keras."""
    module = values.get("module", "")
    is_of_keras = isinstance(module, str) and (not module or is_known(module))
    return _is_object(values) and not is_of_keras


def _renamed_each(values: list[Any]) -> list[Any]:
    """The values, each serialized object with its stable name among the others."""
    if not values or not all(map(_is_object, values)):
        return values
    names = _names_of(values)
    return [_renamed(value, names) for value in values]


def _names_of(things: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    named = [(name, _classes(thing)) for thing in things if (name := _name(thing))]
    # Keras names a hidden input after its first layer; no weight is named after it.
    return {
        name: "input" if classes[0] == "InputLayer" else f"{_NEW}{new}"
        for (name, classes), new in zip(named, stable_names(named), strict=True)
    }


def _classes(thing: Mapping[str, Any]) -> list[str]:
    inner = thing["config"].get("layer")
    return [
        each["class_name"]
        for each in (thing, inner)
        if isinstance(each, Mapping) and isinstance(each.get("class_name"), str)
    ]


def _is_object(value: Any) -> bool:
    """Whether it is a layer, metric or the like as Keras serializes them."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("class_name"), str)
        and isinstance(value.get("config"), Mapping)
    )


def _name(thing: Mapping[str, Any]) -> str | None:
    name = thing.get("name", thing["config"].get("name"))
    return name if isinstance(name, str) else None


def _renamed(values: Any, names: Mapping[str, str]) -> Any:
    if isinstance(values, Mapping):
        return {names.get(k, k): _renamed(value, names) for k, value in values.items()}
    if isinstance(values, list | tuple):
        return [_renamed(value, names) for value in values]
    return names.get(values, values) if isinstance(values, str) else values


def compare(theirs: Mapping[str, Any], ours: Mapping[str, Any], path: Path) -> None:
    """Raises if a run directory belongs to another search."""
    if differs := _difference(theirs, ours):
        raise PlanMismatchError(
            f"{path} holds another search: {differs}. Pass `overwrite=True` "
            "(`--overwrite`) to start again, or another `run_dir`."
        )
    there, here = (each.get("first_batches", {}) for each in (theirs, ours))
    for name in sorted(there.keys() & here.keys()):
        if there[name] != here[name]:
            warn(
                f"{path} was started with another first batch of `{name}`. What is "
                "finished there is not trained again. If the data are others, pass "
                "`overwrite=True` (`--overwrite`) to start again, or another `run_dir`;"
                " if they are drawn at random, this search cannot be repeated."
            )
    there, here = (each.get("modules", {}) for each in (theirs, ours))
    for name in sorted(there.keys() & here.keys()):
        if there[name] != here[name]:
            warn(
                f"{path} was started with the class {name!r} of the module "
                f"{there[name]!r}. Here it is in {here[name]!r}. As the models have "
                "equal configurations, it is treated as one class that was moved. Code "
                "is not compared: if they are two classes, pass another `run_dir`."
            )


def _difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    there, here = ({*each.get("versions", {})} for each in (theirs, ours))
    if there - here and here - there:  # one more package would be a later version's
        named = [", ".join(sorted(each - {"tf_lottery"})) for each in (there, here)]
        return (
            f"trained by {named[0]} there and by {named[1]} here. To continue it, use "
            "that Keras, and as KERAS_BACKEND its backend"
        )
    there, here = theirs["plan"], ours["plan"]
    plans = [Plan.from_json(plan) for plan in (there, here)]
    for name in plans[0].differences(plans[1]):
        return f"of another plan, `{name}` {_unequal(there[name], here[name])}"
    there, here = (each.get("together", 1) for each in (theirs, ours))
    if there != here:
        return f"of trainings that share a program, `together` {_unequal(there, here)}"
    values = [each.get("values", {}) for each in (theirs, ours)]
    if names := sorted({name for name, _ in values[0].items() ^ values[1].items()}):
        return (
            "of another model, with other values that training reads and never changes "
            f"(such as a teacher's), in {', '.join(map(repr, names[:3]))}"
        )
    if theirs["architecture"] != ours["architecture"]:
        layers = theirs["layers"].items() ^ ours["layers"].items()
        said = ", ".join(sorted({repr(name) for name, _ in layers}))
        said = said or _settings_in_words(theirs, ours) or "connections"
        return f"of another model, it differs in {said} (names of layers count)"
    there, here = theirs["compile_config"], ours["compile_config"]
    differs = sorted(name for name in there | here if there.get(name) != here.get(name))
    if differs:
        return f"compiled in another way, in {', '.join(map(repr, differs))}"
    for name in sorted({*theirs["data"], *ours["data"]}):
        there, here = (each["data"].get(name, {}) for each in (theirs, ours))
        for fact in there | here:
            if there.get(fact) != here.get(fact):
                unequal = _unequal(there.get(fact), here.get(fact))
                return f"of other data, `{name}` {fact} {unequal}"
    return ""


def _settings(model: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The plain values that a model is made and built from, without its layers."""
    for part in ("config", "build_config"):
        for name, value in (model.get(part) or {}).items():
            if name not in ("layers", "name") and len(repr(value)) <= _LONGEST:
                yield name, value


def _settings_in_words(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """The settings that differ, such as "width: 12 -> 16"; empty if none is known."""
    there, here = (each.get("settings", {}) for each in (theirs, ours))
    return ", ".join(
        f"{name}: {there.get(name)!r} -> {here.get(name)!r}"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    )


def _unequal(there: Any, here: Any) -> str:
    return f"is {there!r} there and {here!r} here"


def _digest(values: Any) -> str:
    return digest_of_sorted(values)[:16]


@functools.cache  # the version that is loaded, whatever is installed later
def _version(package: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None
