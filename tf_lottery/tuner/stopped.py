"""A sweep that was stopped, wherever that was, goes on with the same trials.

Keras Tuner writes its files in place, that of a trial before that of its oracle, and
1.4.8 keeps neither the order of a grid's trials nor which of them have no next one yet,
so that a grid that is loaded again ends at once or with a KeyError.
"""

import contextlib
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from tf_lottery.core import archive
from tf_lottery.core.errors import TicketError
from tf_lottery.tuner._keras_tuner import keras_tuner


@contextlib.contextmanager
def whole_files() -> Iterator[None]:
    """Keras Tuner's files appear whole or not at all, as ours do."""

    def save_json(path: archive.PathLike, values: Any) -> str:
        text = json.dumps(values)
        with archive.atomic(path) as temporary:
            temporary.write_text(text)
        return text

    utils = keras_tuner.src.utils
    theirs = utils.save_json
    utils.save_json = save_json
    try:
        yield
    finally:
        utils.save_json = theirs


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keeps other processes out of a sweep's directory, but its workers.

    Raises:
        BlockingIOError: Another one is there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        lock = filelock.FileLock(directory / ".lock").acquire(timeout=0)
    except filelock.Timeout as error:
        raise BlockingIOError(
            f"{directory} is in use by another sweep. Wait for it to end, or pass "
            "another `project_name`. Processes share a sweep as Keras Tuner's chief "
            "and workers alone."
        ) from error
    with lock:
        yield


def check_files(directory: Path) -> None:
    """Raises if a file of a sweep cannot be read.

    Raises:
        TicketError: It says which file.
    """
    for path in [*directory.glob("*.json"), *directory.glob("trial_*/trial.json")]:
        try:
            json.loads(path.read_text())
        except ValueError as error:
            raise TicketError(
                f"{path} is damaged: {error}. Pass `overwrite=True` (`--overwrite`) to "
                "start the sweep anew, or another `project_name`."
            ) from error


def restore(oracle: Any) -> None:
    """Makes an oracle that was loaded again what it was."""
    for name in set(oracle.trials) - set(oracle.start_order):
        del oracle.trials[name]  # nobody had it yet: it will be made again
    begun = {*oracle.end_order, *oracle._retry_queue}
    oracle._retry_queue += [name for name in oracle.start_order if name not in begun]
    if isinstance(oracle, keras_tuner.oracles.GridSearchOracle):
        _restore_grid(oracle)


def _restore_grid(oracle: Any) -> None:
    """Gives a grid its place again, which follows from its trials."""
    values = {name: t.hyperparameters.values for name, t in oracle.trials.items()}

    def compare(one: str, other: str) -> int:
        return int(oracle._compare(values[one], values[other]))

    oracle._ordered_ids = type(oracle._ordered_ids)()
    for name in sorted(values, key=functools.cmp_to_key(compare)):
        oracle._ordered_ids.insert(name)
    # One whose next is there already is passed over.
    oracle._populate_next = list(values)
