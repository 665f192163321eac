"""Who searches for a ticket of LeNet-300-100, each in a process of its own.

A contestant prepares a search (imports, data, a built model) and returns it as a
function; its call is what is timed. So imports and the start of a device are left out,
and tracing, compilation, evaluation, pruning and files are in. It returns density and
test accuracy at the end of each training.
"""

import dataclasses
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

Rounds = list[tuple[float, float]]
Search = Callable[[], Rounds]


@dataclass(frozen=True)
class Task:
    """What all of them do; `width` multiplies the hidden units of LeNet-300-100."""

    rounds: int
    steps: int
    evaluate_every: int
    seed: int = 0
    replicates: int = 1
    width: int = 1
    rows: int = 55_000
    batch: int = 60
    learning_rate: float = 1.2e-3
    rate: float = 0.2
    logits_rate: float = 0.1

    def but(self, **changes: Any) -> "Task":
        """The same with other values."""
        return dataclasses.replace(self, **changes)

    @property
    def weights(self) -> int:
        """The prunable weights of the network."""
        first, second = 300 * self.width, 100 * self.width
        return 784 * first + first * second + second * 10


@dataclass(frozen=True)
class Contestant:
    """How a contestant is started.

    Attributes:
        prepare: Its function, as `module.function`, and the arguments after task and
            data.
        keras: Which Keras and backend it uses; "" for none. The plain fits of equal
            `keras` are what it is compared with.
        needs: Packages without which it is left out.
        lanes: Whether its replicates are trained side by side.
    """

    prepare: tuple[str, ...]
    keras: str
    needs: tuple[str, ...]
    lanes: bool = False


class LeftOutError(Exception):
    """A contestant cannot run here; the text says why."""


TF_KERAS = "tf_keras"
PYTORCH, GRAPHS, TFMOT = "PyTorch, eager", "PyTorch, CUDA graphs", "tfmot by hand"
_TF = ("tensorflow", "tf_keras")


def fits_of(keras: str) -> str:
    """The name of the plain fits of a Keras."""
    return f"fits, {keras}"


def ours_of(keras: str, lanes: bool = False) -> str:
    """The name of the search here with a Keras."""
    return f"tf_lottery, {keras}{', lanes' * lanes}"


def _of_keras(keras: str, needs: tuple[str, ...]) -> dict[str, Contestant]:
    return {
        fits_of(keras): Contestant(("_peer_keras.fits",), keras, needs),
        ours_of(keras): Contestant(("_peer_keras.ours",), keras, needs),
    }


CONTESTANTS = {
    PYTORCH: Contestant(("_peer_hands.pytorch",), "", ("torch",)),
    GRAPHS: Contestant(("_peer_hands.pytorch", "graph"), "", ("torch",)),
    TFMOT: Contestant(
        ("_peer_hands.tfmot",), TF_KERAS, (*_TF, "tensorflow_model_optimization")
    ),
    **_of_keras(TF_KERAS, (*_TF, "tensorflow_model_optimization")),
    **_of_keras("Keras 3 on tensorflow", ("keras", "tensorflow")),
    **_of_keras("Keras 3 on jax", ("keras", "jax")),
    ours_of("Keras 3 on jax", lanes=True): Contestant(
        ("_peer_keras.ours", "lanes"), "Keras 3 on jax", ("keras", "jax"), lanes=True
    ),
    **_of_keras("Keras 3 on torch", ("keras", "torch")),
}


def measured(name: str, task: Task) -> dict[str, Any]:
    """Runs a contestant in a process of its own: its seconds and its rounds.

    Raises:
        LeftOutError: It cannot run here.
        RuntimeError: It failed.
    """
    contestant = CONTESTANTS[name]
    for package in contestant.needs:
        if importlib.util.find_spec(package) is None:
            raise LeftOutError(f"{package} is not installed")
    command = [sys.executable, __file__, name, json.dumps(dataclasses.asdict(task))]
    done = subprocess.run(
        command, env=_environment(contestant), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "left_out" in found:
        raise LeftOutError(found["left_out"])
    return found


def _environment(contestant: Contestant) -> dict[str, str]:
    own = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    if contestant.keras == TF_KERAS:
        own["TF_USE_LEGACY_KERAS"] = "1"
    elif contestant.keras:
        own["KERAS_BACKEND"] = contestant.keras.split()[-1]
    return {**os.environ, **own}


def _run(name: str, task: Task) -> dict[str, Any]:
    """What `measured` returns, in this process."""
    from _mnist import mnist

    path, *arguments = CONTESTANTS[name].prepare
    module, function = path.split(".")
    prepare = getattr(importlib.import_module(module), function)
    data = mnist()
    train = tuple(part[: task.rows] for part in data.train)
    search: Search = prepare(task, (train, data.validation, data.test), *arguments)
    wall, cpu = time.perf_counter(), time.process_time()
    rounds = search()
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "rounds": rounds,
    }


if __name__ == "__main__":
    try:
        print(json.dumps(_run(sys.argv[1], Task(**json.loads(sys.argv[2])))))
    except Exception as error:
        # This file is `__main__` here, and another module where contestants import it.
        if type(error).__name__ != LeftOutError.__name__:
            raise
        print(json.dumps({"left_out": str(error)}))
