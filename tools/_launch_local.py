"""Starts local workers of one search: what `tools/launch_local` runs in .venv."""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

_GRACE = 60  # seconds that the others have to notice that a worker is gone


def main(arguments: Sequence[str]) -> int:
    """Runs `tf_lottery` in each worker; the chief's output is shown."""
    parser = argparse.ArgumentParser(
        prog="launch_local",
        description="Trains a search on several local processes. "
        "Example: tools/launch_local --workers 2 -- find recipes/lenet_mnist.py",
    )
    parser.add_argument("--workers", type=int, default=2, help="how many processes")
    parser.add_argument("command", nargs="*", help="-- find RECIPE, and its flags")
    if "--" not in arguments:
        parser.error("Put -- before the command, as in: --workers 2 -- find recipe.py")
    given = parser.parse_args(arguments)
    if given.command[:1] != ["find"]:
        parser.error("Only `find` trains on several workers: -- find recipe.py")
    if any(part.startswith("--strategy") for part in given.command):
        parser.error("The workers of launch_local are the strategy: omit --strategy.")
    if given.workers < 1:
        parser.error(f"--workers must be at least 1. Received: {given.workers}.")
    command = [sys.executable, "-m", "tf_lottery", *given.command]
    with tempfile.TemporaryDirectory() as directory:
        logs = [Path(directory) / f"worker_{n}.log" for n in range(given.workers)]
        workers = start([*command, "--strategy=multiworker"], logs)
        return wait(workers, logs)


def start(
    command: Sequence[str], logs: Sequence[Path], chief_to_log: bool = False
) -> list[subprocess.Popen[bytes]]:
    """Starts one process a log file; the first is the chief, whose output is shown."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(logs))]
    workers = []
    for number, path in enumerate(logs):
        task = {"type": "worker", "index": number}
        config = {"cluster": {"worker": addresses}, "task": task}
        # On the CPU: two workers cannot share a GPU.
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        environment["TF_CONFIG"] = json.dumps(config)
        shown = number == 0 and not chief_to_log
        with path.open("wb") as log:
            output = None if shown else log
            workers.append(
                subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            )
    return workers


def wait(workers: Sequence[subprocess.Popen[bytes]], logs: Sequence[Path]) -> int:
    """Waits for all; when one fails the others get a minute, then they are stopped."""
    deadline = None
    while any(worker.poll() is None for worker in workers):
        if deadline is None and any(worker.poll() for worker in workers):
            deadline = time.monotonic() + _GRACE
        if deadline is not None and time.monotonic() > deadline:
            for worker in workers:
                worker.terminate()
        time.sleep(0.2)
    for number, (worker, path) in enumerate(zip(workers, logs, strict=True)):
        if worker.returncode and number > 0:
            print(f"Worker {number} ended with {worker.returncode}:", file=sys.stderr)
            print(path.read_text(errors="replace")[-2000:], file=sys.stderr)
    return next((worker.returncode for worker in workers if worker.returncode), 0)


def free_ports(number: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
