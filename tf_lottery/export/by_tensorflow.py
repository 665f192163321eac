"""Who writes what only TensorFlow writes: this process, or one of its own."""

import importlib
from collections.abc import Mapping
from typing import Any

from tf_lottery import bindings
from tf_lottery.export.card import Card
from tf_lottery.export.job import Job
from tf_lottery.export.sample import Sample


def write(
    job: Job, format: str, own: Mapping[str, Any], calibration: Sample | None = None
) -> Card:
    """Writes and checks the file of an export, and returns its card.

    Args:
        job: The export.
        format: The name of the module in `tensorflow/` that writes the file.
        own: The options of the format, plain values.
        calibration: Examples that the format needs.
    """
    if not bindings.of(job.source.model).WRITES_TENSORFLOW:
        from tf_lottery.export.child import parent

        return parent.write(job, format, own, calibration)
    module = importlib.import_module(f"tf_lottery.export.tensorflow.{format}")
    given = () if calibration is None else (calibration,)
    card: Card = module.write(job, *given, **own)
    return card
