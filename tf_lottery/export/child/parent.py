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

import rich.console

from tf_lottery.core.errors import ExportError
from tf_lottery.export.card import Card
from tf_lottery.export.child import handover
from tf_lottery.export.files import placed
from tf_lottery.export.job import Job
from tf_lottery.export.sample import Sample

ORDER, ERROR, LOG = "order.safetensors", "error.txt", "log.txt"
_PATIENCE = 3  # seconds until a line says what is waited for


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
        _run(Path(directory), temporary, job.options.verbose)
        card = Card.read(temporary)
    if job.options.verbose:
        print(card)
    return card


def _run(directory: Path, path: Path, verbose: int) -> None:
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
        code = _wait(child, path.name, verbose)
    finally:
        child.kill()
        child.wait()
    if code:
        raise ExportError(_why(directory, code))


def _wait(child: "subprocess.Popen[bytes]", name: str, verbose: int) -> int:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(_PATIENCE)
    console = rich.console.Console(quiet=not verbose)
    with console.status(f"TensorFlow writes {name} in a process of its own"):
        return child.wait()


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
