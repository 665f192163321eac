"""Ctrl-C, SIGTERM and SIGHUP end a search within seconds, and say how to go on."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.fakes import FakeTrainer
from tests.models import arrays, compiled, keras, tiny
from tests.search.searching import SMALL, search
from tf_lottery import find_ticket
from tf_lottery.core import archive
from tf_lottery.core.plan import Plan
from tf_lottery.search import leaving
from tf_lottery.search.leaving import Ended, Leaving
from tf_lottery.search.progress import Progress

HOW = "Call it again."


def handlers():
    return [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_process_with_its_code_and_a_line(number, capsys):
    before = handlers()
    with pytest.raises(Ended) as ended, Leaving(HOW):
        os.kill(os.getpid(), number)
        time.sleep(10)
    assert ended.value.code == 128 + number
    assert capsys.readouterr().err == f"Stopped. {HOW}\n"
    assert handlers() == before


def test_ctrl_c_stays_a_keyboard_interrupt_with_a_short_traceback(capsys):
    def deep(depth):
        if not depth:
            raise KeyboardInterrupt
        deep(depth - 1)

    with pytest.raises(KeyboardInterrupt) as stopped, Leaving(HOW):
        deep(50)
    assert len(stopped.traceback) <= 2
    assert stopped.value.__suppress_context__
    assert capsys.readouterr().err == f"Stopped. {HOW}\n"


def test_the_line_says_round_and_step(capsys):
    ticket = FakeTrainer(SMALL).dense()
    progress = Progress(0, Plan(rounds=2), 2000)
    with (
        pytest.raises(KeyboardInterrupt),
        Leaving(HOW),
        progress.training(ticket) as report,
    ):
        report(1200, {})
        raise KeyboardInterrupt
    assert capsys.readouterr().err == f"Stopped in round 0 at step 1,200. {HOW}\n"


def test_the_outermost_says_how_to_go_on_and_once(capsys):
    with pytest.raises(KeyboardInterrupt), Leaving(HOW), Leaving("Not this."):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == f"Stopped. {HOW}\n"


def test_a_handler_of_the_users_own_stays():
    called = []
    before = signal.signal(signal.SIGTERM, lambda *_: called.append(1))
    try:
        with Leaving(HOW):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert called == [1]


def test_signals_are_left_alone_in_other_threads_and_among_workers(monkeypatch):
    seen = []

    def look():
        with Leaving(HOW):
            seen.append(handlers())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    monkeypatch.setenv("TF_CONFIG", "{}")
    look()
    assert seen == [handlers()] * 2


@pytest.mark.parametrize(
    "number, ends", [(signal.SIGTERM, Ended), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_that_tensorflow_made_an_error_of_ends_the_process_too(
    capsys, number, ends
):
    with pytest.raises(ends), Leaving(HOW):
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        except BaseException as error:
            raise RuntimeError("UnknownError") from error
    assert capsys.readouterr().err == f"Stopped. {HOW}\n"


def test_a_signal_whose_exception_gets_lost_ends_the_training_all_the_same(capsys):
    class Lossy(keras.callbacks.Callback):
        """Python discards what a finalizer raises."""

        def on_epoch_begin(self, epoch, logs=None):
            with contextlib.suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        find_ticket(compiled(tiny()), arrays(), 1, verbose=0, callbacks=[Lossy()])
    printed = capsys.readouterr().err
    assert printed.startswith("Stopped in round 0 at step 1. Its temporary directory")
    assert find_ticket(compiled(tiny()), arrays(), 1, verbose=0)


def test_other_errors_pass_as_they_are(capsys):
    error = OSError(28, "No space left on device", "a/file")
    with pytest.raises(OSError) as raised, Leaving(HOW):
        leaving.note(error, "round 0", 1)
        raise error
    assert raised.value is error
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_search_that_a_signal_ends_goes_on_where_it_was(
    tmp_path, monkeypatch, number
):
    written = archive.write_json
    count = []

    def signalled(path, values):
        count.append(path)
        with archive.atomic(tmp_path / "unfinished"):
            if len(count) == 3:
                os.kill(os.getpid(), number)
                time.sleep(10)
        written(path, values)

    with monkeypatch.context() as patched, pytest.raises(Ended), Leaving(HOW):
        patched.setattr("tf_lottery.core.archive.write_json", signalled)
        search(tmp_path / "run", FakeTrainer(SMALL))
    assert not list(tmp_path.rglob(f"{archive.TEMPORARY}*"))
    assert search(tmp_path / "run", FakeTrainer(SMALL))  # the lock is free


class Slow(keras.utils.Sequence):
    """Batches of Python code, of which the third one sends a signal."""

    def __init__(self, pause):
        self.pause, self.count, self.sent = pause, 0, 0.0

    def __len__(self):
        return 60

    def __getitem__(self, index):
        time.sleep(self.pause)
        self.count += 1
        if self.count == 4:  # the first is looked at before
            self.sent = time.monotonic()
            os.kill(os.getpid(), signal.SIGTERM)
        return arrays(16)


@pytest.mark.first_case
@pytest.mark.parametrize("of", ["dataset", "validation_data"])
def test_slow_data_of_python_code_do_not_hold_a_signal_up(of):
    slow = Slow(0.3)
    data = {"dataset": (arrays(16)), "validation_data": arrays(16)} | {of: slow}
    with pytest.raises(Ended):
        find_ticket(compiled(tiny()), rounds=1, verbose=0, **data)
    assert time.monotonic() - slow.sent < 4


RECIPE = """
import time
from tests import models
from tf_lottery import Data, Plan
from tf_lottery.bindings.tf_keras._imports import keras

PLAN = Plan(rounds=2, epochs=3)


def model():
    return models.compiled(models.tiny())

def dataset(seed):
    def slow(x, y):
        models.tf.py_function(lambda: time.sleep({pause}), [], [])
        return x, y

    return Data(models.batches().map(slow), models.batches(32, 1))
"""
CALL = """
import sys
from tests import models
from tf_lottery import find_ticket
from tf_lottery.cli.recipes import load_recipe

recipe = load_recipe(sys.argv[1])
data = recipe.dataset(0)
find_ticket(
    recipe.model(), data.train, 2, epochs=3, validation_data=data.validation,
    run_dir=sys.argv[2],
)
"""
ROOT = pathlib.Path(__file__).parents[2]


def process(tmp_path, *command, pause):
    (tmp_path / "recipe.py").write_text(RECIPE.replace("{pause}", str(pause)))
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *map(str, command)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stopped(victim, run_dir, number):
    """What a process writes on stderr when it is ended in its second epoch."""
    deadline = time.monotonic() + 120
    while not (run_dir / "replicate_0/round_00/checkpoint.safetensors").exists():
        assert victim.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    victim.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        victim.wait(8)
    left = victim.poll() is not None
    victim.kill()
    assert left, "the process did not end within seconds"
    assert not list(run_dir.rglob(f"{archive.TEMPORARY}*"))
    return victim.stderr.read()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_command_ends_within_seconds_and_says_how_to_go_on(tmp_path, number):
    command = ("-m", "tf_lottery", "find", "recipe.py", "--run_dir=run")
    victim = process(tmp_path, *command, pause=0.2)
    printed = stopped(victim, tmp_path / "run", number)
    assert victim.returncode == 128 + number
    last = printed.splitlines()[-1]
    assert last.startswith("Stopped in round 0 at step ")
    assert last.endswith("The same command continues where it was.")
    assert "Traceback" not in printed
    if number == signal.SIGTERM:
        again = process(tmp_path, *command, pause=0)
        printed, errors = again.communicate()
        assert again.returncode == 0, errors
        assert "round 0 continues from step 6" in printed


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_ends_within_seconds_and_says_how_to_go_on(tmp_path, number):
    run_dir = tmp_path / "run"
    victim = process(tmp_path, "-c", CALL, "recipe.py", run_dir, pause=0.2)
    printed = stopped(victim, run_dir, number)
    code = 128 + number if number == signal.SIGTERM else -number
    assert victim.returncode == code
    assert f"Call find_ticket with the same run_dir, '{run_dir}', to" in printed
    traceback = printed[printed.find("Traceback") :].splitlines()
    assert ("Traceback" in printed) == (number == signal.SIGINT)
    assert len(traceback) < 20


LOADING = """
import builtins, os, signal

plain = builtins.__import__

def loading(name, *rest):
    if name == "numpy":
        os.kill(os.getpid(), signal.SIGINT)
    return plain(name, *rest)

builtins.__import__ = loading
from tf_lottery.cli.entry import run
run()
"""


def test_ctrl_c_while_the_command_loads_is_one_line(tmp_path):
    victim = process(tmp_path, "-c", LOADING, pause=0)
    _, errors = victim.communicate()
    assert victim.returncode == 128 + signal.SIGINT
    assert errors == "Stopped. Nothing was begun.\n"
