"""Measures what a GPU gives, as far as the minutes go; a next call goes on.

    python tools/gpu_report.py --minutes=9 --output=DIR

It needs JAX, Keras 3, NumPy, absl-py, rich and pytest, and runs from a checkout. In
this order, each in a process of its own, it does
    tests    the tests of Keras 3 that are marked `gpu`
    step     a step of LeNet-300-100 and Conv-2: dense `fit`, held masks, in groups
    lanes    1 to 100 tickets side by side
    torch    the careful PyTorch loop, eager and with CUDA graphs
    search   a search of 15 rounds beside 16 plain fits
    paper    LeNet-300-100 at the paper's 50,000 steps, with replicates and controls

`DIR/report.json` and `report.md` are whole at any time, also after a SIGTERM. What is
finished is not done again; the search of `paper` goes on in `DIR/run`. Without a GPU
all is done at a small scale, in about two minutes.
"""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from _gpu_log import Log, card, say
from absl import app, flags

FLAGS = flags.FLAGS
# The module of a step, and the most seconds it may take in a call.
STEPS = {
    "tests": ("_gpu_tests", 150),
    "step": ("_gpu_steps", 120),
    "lanes": ("_gpu_steps", 180),
    "torch": ("_gpu_torch", 120),
    "search": ("_gpu_search", 180),
    "paper": ("_gpu_search", 86_400),
}
flags.DEFINE_string("output", None, "The directory of the report.", required=True)
flags.DEFINE_float("minutes", 9, "After which it ends.", lower_bound=0.5)
flags.DEFINE_multi_enum("steps", list(STEPS), list(STEPS), "What to do.")
flags.DEFINE_enum("scale", "auto", ["auto", "full", "small"], "Small without a GPU.")
flags.DEFINE_float("density", 0.2, "Of the masks of single steps.", 0.0, 1.0)
flags.DEFINE_integer("seed", 0, "Of the turns.")
flags.DEFINE_enum("inside", None, list(STEPS), "Does one step in this process.")

_TO_END, _AT_LEAST = 20.0, 25.0  # seconds that a step gets to end, and to be worth it


def main(_: Any) -> None:
    log = Log(Path(FLAGS.output).resolve(), 60 * FLAGS.minutes)
    if FLAGS.inside:
        inside(log)
        return
    log.directory.mkdir(parents=True, exist_ok=True)
    try:
        log.begin()
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    signal.signal(signal.SIGTERM, _stop)
    scale = FLAGS.scale if FLAGS.scale != "auto" else "full" if card() else "small"
    for name in [each for each in STEPS if each in FLAGS.steps]:
        if log.step(name)["done"]:
            say(f"{name}: done already")
        elif log.left() - _TO_END < _AT_LEAST:
            say(f"{name}: no time is left; call again")
        else:
            measure(log, name, scale)


def measure(log: Log, name: str, scale: str) -> None:
    """Does a step in a process of its own, and notes how long it took."""
    seconds = min(log.left() - _TO_END, STEPS[name][1])
    say(f"{name}: at most {seconds:.0f} s")
    command = [sys.executable, "-u", __file__, f"--output={log.directory}"]
    command += [f"--inside={name}", f"--minutes={seconds / 60}", f"--scale={scale}"]
    started = time.monotonic()
    process = subprocess.Popen(command, env=_environment(scale))
    why = "stopped"
    try:
        why = _wait(process, seconds)
    finally:
        log.read()
        taken = time.monotonic() - started
        step = log.step(name)
        step["seconds"] = step.get("seconds", 0) + taken
        if not step["done"]:
            step["note"] = step["note"] or f"Not finished: {why}."
        if name == "paper":
            _sum_up(log, step["seconds"])
        log.write()
    say(f"{name}: {'done' if step['done'] else why} after {taken:.0f} s")


def inside(log: Log) -> None:
    """Does one step in this process."""
    from _gpu_cases import FULL, SMALL

    module = importlib.import_module(STEPS[FLAGS.inside][0])
    scale = FULL if FLAGS.scale == "full" else SMALL
    getattr(module, FLAGS.inside)(log, scale)


def _environment(scale: str) -> dict[str, str]:
    own = {"KERAS_BACKEND": "jax", "PYTHONWARNINGS": "ignore"}
    if scale == "small" and not card():
        own["JAX_PLATFORMS"] = "cpu"
    else:
        own["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    return os.environ | own


def _wait(process: Any, seconds: float) -> str:
    """Waits for a step, and ends it after the seconds; says how it ended."""
    try:
        code = process.wait(seconds)
        return f"its process ended with {code}"
    except subprocess.TimeoutExpired:
        return "no time was left"
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TO_END - 5)
            process.kill()
            process.wait()


def _sum_up(log: Log, seconds: float) -> None:
    if (log.directory / "run" / "plan.json").exists():
        from _gpu_summary import summary

        summary(log, seconds)


def _stop(*_: Any) -> None:
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    app.run(main)
