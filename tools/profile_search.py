r"""Says where the time of a search goes: steps, validation, copies, masks, files.

Runs one search of `bench_search.py`, with its flags, and prints what each part takes by
itself, without the parts that it calls, in seconds and in processor seconds. The rest
is Python: the loop, callbacks, the making of a model. What other threads do counts for
the part that the main thread is in.

    .venv/bin/python tools/profile_search.py
    .venv/bin/python tools/profile_search.py --binding=keras3 --backend=jax \
        --data=arrays --group=1
"""

import functools
import importlib
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import _bench
import bench_search
from absl import app, flags, logging

FLAGS = flags.FLAGS
STEPS, FIRST = "steps", "the first group: tracing, compiling"
VALIDATION, REST = "validation and test passes", "the rest: Python"
# Functions of tf_lottery, and the parts that they are.
PARTS = {
    "bindings.{binding}.searched": "copy and proof of the model",
    "training.trainer.SeededData": "data: feeds, facts, hashes",
    "bindings.{binding}.live.Live.values": "copies from the device",
    "bindings.{binding}.live.Live.set": "copies to the device",
    "bindings.shared.live._same_bits": "comparing what was assigned",
    "training.trouble.check_masks": "checks of masks and state",
    "training.trouble.check_state": "checks of masks and state",
    "search.rounds.prune_ticket": "mask decisions",
    "core.masks.Masks.digest": "digests of masks and state",
    "run_dir.keys.Starts.of": "digests of masks and state",
    "training.checkpoint.save": "files: checkpoints, states, final weights",
    "run_dir.training_files.save": "files: tickets and outcomes",
    "run_dir.training_files.write_record": "files: records",
    "core.archive.os.fsync": "files: waiting for the disk",
    "core.archive.Archive.__getitem__": "files: reading arrays",
    "run_dir.training_files.open_archive": "files: reading headers",
    "run_dir.training_files.read_record": "files: reading headers",
    "search.find.judge": "verdict",
}


class Clock:
    """Gives each moment of the main thread to the innermost part that is at work."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = defaultdict(int)
        self.seconds: dict[str, float] = defaultdict(float)
        self.processor: dict[str, float] = defaultdict(float)
        self._parts = [REST]
        self._last = bench_search.since((0, 0))

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The function, with its time noted as that of a part."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return function(*args, **kwargs)
            self.note()
            first = part == STEPS and not self.calls[FIRST]
            self._parts.append(FIRST if first else part)
            self.calls[self._parts[-1]] += 1
            try:
                return function(*args, **kwargs)
            finally:
                self.note()
                self._parts.pop()

        return timed

    def note(self) -> None:
        """Notes the time since the last note."""
        now, part = bench_search.since((0, 0)), self._parts[-1]
        self.seconds[part] += now[0] - self._last[0]
        self.processor[part] += now[1] - self._last[1]
        self._last = now


def main(_: Any) -> None:
    logging.set_verbosity(logging.WARNING)
    warnings.simplefilter("ignore", UserWarning)
    bench_search.use(FLAGS.binding, FLAGS.backend)
    data = bench_search.mnist()
    bench_search.search(data, 2, FLAGS.evaluate_every)  # warms up the framework
    clock = Clock()
    watch(clock)
    clock.note()
    clock.seconds.clear()
    clock.processor.clear()
    found = bench_search.search(data, FLAGS.rounds + 1, FLAGS.steps)
    clock.note()
    report(clock, *found["search"])


def watch(clock: Clock) -> None:
    """Times the functions of `PARTS`, and those of the engine."""
    engine = "bindings.tf_keras.engine.Engine"
    if FLAGS.binding == "keras3":
        engine = f"bindings.keras3.engines.{FLAGS.backend}.Engine"
    parts = {f"{engine}.train": STEPS, f"{engine}.evaluate": VALIDATION, **PARTS}
    for name, part in parts.items():
        *path, last = name.format(binding=FLAGS.binding).split(".")
        owner = owner_of(["tf_lottery", *path])
        setattr(owner, last, clock.timed(getattr(owner, last), part))


def owner_of(path: list[str]) -> Any:
    """A module, or what it holds, by its names."""
    for length in range(len(path), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(path[:length]))
        except ImportError:
            continue
        return functools.reduce(getattr, path[length:], found)
    raise ImportError(".".join(path))


def report(clock: Clock, seconds: float, processor: float) -> None:
    """Prints and writes the table."""
    rows = [
        {
            "part": part,
            "calls": clock.calls[part],
            "seconds": clock.seconds[part],
            "%": 100 * clock.seconds[part] / seconds,
            "processor seconds": clock.processor[part],
            "% of processors": 100 * clock.processor[part] / processor,
        }
        for part in sorted(clock.seconds, key=lambda part: -clock.processor[part])
    ]
    compiled = [
        times[STEPS] + times[VALIDATION] for times in (clock.seconds, clock.processor)
    ]
    keras = FLAGS.binding if FLAGS.binding == "tf_keras" else FLAGS.backend
    title = f"A search of LeNet-300-100 on {keras} ({FLAGS.data}), {FLAGS.rounds} "
    title += f"rounds, {FLAGS.steps:,} steps, validated every {FLAGS.evaluate_every}"
    of_all = f"{seconds / compiled[0]:.3f}, {processor / compiled[1]:.3f} of processors"
    lines = {"Search to its steps and passes": of_all}
    _bench.show(title, rows, lines)
    _bench.write(FLAGS.output, {"title": title, "rows": rows})


if __name__ == "__main__":
    app.run(main)
