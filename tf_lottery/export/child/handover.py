"""The file by which an export goes to another process."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from tf_lottery import bindings
from tf_lottery.core.archive import Archive, save
from tf_lottery.core.errors import ExportError
from tf_lottery.core.packages import is_known
from tf_lottery.core.ticket import Ticket
from tf_lottery.export.bound import network
from tf_lottery.export.job import Job, versions
from tf_lottery.export.options import Options
from tf_lottery.export.sample import Sample
from tf_lottery.export.source import Source, filled

_ELSEWHERE = (
    "load the ticket in a process with KERAS_BACKEND=tensorflow, and export it there "
    "with `model=`"
)
# The options that are plain values; data and classes stay with the parent.
_OPTIONS = ("weights", "latency_runs", "compact", "drop_inputs")
_OF_JOB = ("tolerance", "of_spread", "was_in_half")


class Order(NamedTuple):
    """What a child writes: see `by_tensorflow.write`."""

    job: Job
    format: str
    own: Mapping[str, Any]
    calibration: Sample | None


class OwnPart(NamedTuple):
    """A class or function of a model that is not Keras'.

    `key` is what Keras calls it; `file` is that of its module, if it has one.
    """

    module: str
    file: str | None
    name: str
    key: str


def write(file: Path, order: Order) -> None:
    """Writes an order, with all that the child needs to make the model again.

    Raises:
        ExportError: The child could not make the model.
    """
    job = order.job
    source, binding = job.source, bindings.of(job.source.model)
    architecture = binding.describe(source.model)
    if architecture is None:
        raise ExportError(
            "Keras must be able to describe a model that another process writes, and "
            f"cannot: {source.model.name!r} has a part without a configuration. "
            f"Export it where Keras runs on TensorFlow: {_ELSEWHERE}."
        )
    registered = binding.keras.saving.get_custom_objects()
    facts = {
        "architecture": architecture,
        "own": _own(architecture, registered | {**(job.options.custom_objects or {})}),
        "format": order.format,
        "arguments": order.own,
        "options": {name: getattr(job.options, name) for name in _OPTIONS},
        "job": {name: getattr(job, name) for name in _OF_JOB}
        | {
            "versions": versions(("tf_lottery", *binding.PACKAGES)),
            "computed_by": network(source.model).backend,
        },
        "weights": source.weights,
        "round": source.round,
        "dense_is_trained": source.dense_is_trained,
        "sample": job.sample.origin,
        "calibration": order.calibration and order.calibration.origin,
    }
    groups = {
        "model": binding.weights_of(source.model),
        "dense": binding.weights_of(source.dense) if source.dense_is_trained else {},
        "sample": _arrays(job.sample),
        "calibration": _arrays(order.calibration),
        "wanted": _numbered(job.wanted),
    }
    # As text: JSON of our files has no infinities, and configurations may.
    save(file, groups, {"facts": json.dumps(facts)}, source.masks)


def own_parts(file: Path) -> list[OwnPart]:
    """The classes and functions of the model that are not Keras'."""
    return [OwnPart(*each) for each in _read(Archive(file))["own"]]


def read(file: Path, path: Path, objects: Mapping[str, Any]) -> Order:
    """The order in a file, its model made again.

    `path` is where its result goes, `objects` has its own parts by `OwnPart.key`.
    """
    archive = Archive(file)
    facts = _read(archive)
    weights = dict(archive.group("model"))
    ticket = Ticket(archive.masks, weights, architecture=facts["architecture"])
    binding = bindings.of_architecture(ticket.architecture)
    # The parent had the model: what the file runs was run there.
    like = binding.basis(ticket, custom_objects=objects, safe_mode=False)
    model = binding.plain(like, weights)
    trained = facts["dense_is_trained"]
    source = Source(
        model=model,
        dense=binding.plain(like, dict(archive.group("dense")))
        if trained
        else filled(model, ticket.masks),
        dense_is_trained=trained,
        masks=ticket.masks,
        weights=facts["weights"],
        round=facts["round"],
    )
    sample = _sample(archive, "sample", facts)
    assert sample is not None
    job = Job(
        source,
        path,
        Options(**facts["options"], verbose=0),
        sample,
        _listed(archive.group("wanted")),
        **facts["job"],
    )
    calibration = _sample(archive, "calibration", facts)
    return Order(job, facts["format"], facts["arguments"], calibration)


def _read(archive: Archive) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(archive.header["facts"])
    return facts


def _own(architecture: Any, objects: Mapping[str, Any]) -> list[OwnPart]:
    named = _named(architecture, objects)
    found = [part for part in named if not is_known(part.module)]
    if any(part.module == "__main__" for part in found):
        raise ExportError(
            "TensorFlow writes this file in a process of its own, which must be able "
            "to import the classes of the model. Received: a class or function of the "
            "script that runs (`__main__`). Move it into a module, and import it from "
            f"there. Or {_ELSEWHERE}."
        )
    return found


def _named(part: Any, objects: Mapping[str, Any]) -> Iterator[OwnPart]:
    """The classes and functions in a description by Keras.

    Keras writes no module for a script's, and one that says nothing for functions.
    """
    if isinstance(part, Mapping):
        key, name = part.get("registered_name"), part.get("class_name")
        if isinstance(key, str) and isinstance(name, str):
            found = objects.get(key)
            module = getattr(found, "__module__", part.get("module")) or "__main__"
            file = getattr(sys.modules.get(module), "__file__", None)
            yield OwnPart(module, file, getattr(found, "__name__", name), key)
        part = list(part.values())
    if isinstance(part, list | tuple):
        for value in part:
            yield from _named(value, objects)


def _arrays(sample: Sample | None) -> dict[str, NDArray[Any]]:
    if sample is None:
        return {}
    labels = {} if sample.labels is None else {"labels": sample.labels}
    return _numbered(sample.inputs) | labels


def _sample(archive: Archive, name: str, facts: Mapping[str, Any]) -> Sample | None:
    if facts[name] is None:
        return None
    arrays = dict(archive.group(name))
    labels = arrays.pop("labels", None)
    return Sample(tuple(_listed(arrays)), labels, facts[name])


def _numbered(arrays: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {str(number): array for number, array in enumerate(arrays)}


def _listed(arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    return [arrays[str(number)] for number in range(len(arrays))]
