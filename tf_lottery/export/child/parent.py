"""Has a child process write a file, and takes over its file and card."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.core.errors import ExportError
from tf_lottery.export.card import Card
from tf_lottery.export.child import handover
from tf_lottery.export.files import placed
from tf_lottery.export.job import Job
from tf_lottery.export.progress import STEPS, Progress
from tf_lottery.export.sample import Sample

ORDER, ERROR, LOG, STEP = "order.safetensors", "error.txt", "log.txt", "step.txt"
_LOOK = 0.2  # seconds between two looks at the step of the child


def write(
    job: Job, format: str, own: Mapping[str, Any], calibration: Sample | None
) -> Card:
    """See `by_tensorflow.write`.

    Raises:
        ExportError: TensorFlow is not installed, or what the child says.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise ExportError(
            "SavedModels and TFLite files are written by TensorFlow, which is not "
            "installed: `pip install tensorflow`. A .keras file needs none."
        )
    with (
        tempfile.TemporaryDirectory() as directory,
        placed(job.path, job.options.overwrite) as temporary,
    ):
        order = handover.Order(job, format, own, calibration)
        handover.write(Path(directory, ORDER), order)
        _run(Path(directory), temporary, job.progress)
        card = Card.read(temporary)
    if job.options.verbose:
        print(card)
    return card


def _run(directory: Path, path: Path, progress: Progress) -> None:
    """Runs a child that writes to `path`; it never outlives this call."""
    command = [sys.executable, "-m", "tf_lottery.export.child", str(directory)]
    with Path(directory, LOG).open("wb") as log:
        child = subprocess.Popen(
            [*command, str(path)],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        with progress.shown():
            code = _wait(child, directory / STEP, progress)
    finally:
        child.kill()
        child.wait()
    if code:
        raise ExportError(_why(directory, code))


def _wait(child: "subprocess.Popen[bytes]", step: Path, progress: Progress) -> int:
    """The code that a child ends with; its steps are shown until then."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(_LOOK)
        if step.exists() and (found := step.read_text()) in STEPS:
            progress.at(found)


def _environment() -> dict[str, str]:
    """Keras 3 on TensorFlow and the CPU, with the modules of this process."""
    kept = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    return kept | {
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",  # the parent may hold all of a GPU's memory
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path),
        "PYTHONSAFEPATH": "1",  # the working directory only where `sys.path` has it
    }


def _why(directory: Path, code: int) -> str:
    said = Path(directory, ERROR)
    if said.exists():
        return said.read_text()
    how = f"code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
    lines = Path(directory, LOG).read_text(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
    return (
        f"The process in which TensorFlow writes the file ended with {how}: it was "
        f"killed, or there is too little memory. Nothing was written. It said: {last}"
    )
