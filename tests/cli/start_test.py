"""What is wrong with a call is said before a framework is imported."""

import resource
import subprocess
import sys

import pytest

RECIPE = "import tf_lottery\nPLAN = tf_lottery.Plan()\nmodel = dataset = print\n"
SECONDS = 1.0  # of the processor, which others may use, too
FRAMEWORKS = ("tensorflow", "tf_keras", "keras", "keras_tuner", "jax", "torch")
WRONG = [
    *(f"{command} nope.py" for command in ("find", "sweep")),
    *(f"{command} nope" for command in ("show", "report", "export", "verify")),
    *(f"{command} r.py --nope" for command in ("find", "sweep")),
    *(f"{command} r.py --nope" for command in ("show", "report", "export", "verify")),
    *("find", "sweep", "show", "report", "export", "verify", "nope", "fnid", ""),
    *("init", "init nope", "init r.py", "completion", "completion fish"),
    *("find broken.py", "sweep broken.py", "find r.py --flagfile=nope"),
    *("find r.py --rounds=a", "find r.py --rounds=0", "find r.py --pruning_rate=20"),
    *("find r.py --block_size=a", "find r.py --block_size=0,1"),
    *("find r.py --criterion=nope", "find r.py --rewind_to=-1", "find r.py --scope=a"),
    *("find r.py --layer_rates=a", "find r.py --control_rounds=a=b"),
    *("find r.py --controls=nope", "find r.py --limit_batches=0"),
    *("find r.py --keras=nope", "find r.py --export=nope", "find r.py --seed=-1"),
    *("sweep r.py --max_trials=0", "sweep r.py --vary nope=1", "sweep r.py --seed=-1"),
    *("sweep r.py --tuner=hyperband --max_trials=2", "sweep r.py --objective=loss:up"),
    *("sweep r.py --vary rounds=1,2 --rounds=1", "sweep r.py --limit_batches=0"),
    *("export r.py --recipe=nope.py", "export r.py --format=nope"),
    *("export r.py --round=a", "export r.py --round=1", "report r.py --compare=a"),
]
# One process for all: its end says what is imported.
CODE = """
import sys
from tf_lottery.cli.main import main, parse
for line in sys.argv[1:]:
    try:
        main(parse(["tf_lottery", *line.split()]))
    except SystemExit as end:
        assert end.code not in (None, 0), line
    else:
        raise AssertionError(f"{line!r} was not refused")
    found = {*%r} & {*sys.modules}
    assert not found, (line, found)
"""


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "r.py").write_text(RECIPE)
    (tmp_path / "broken.py").write_text("def model(:\n")
    return tmp_path


def run(directory, *arguments):
    """A process of Python, and the seconds of the processor that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return done, taken


def test_every_wrong_call_is_refused_without_a_framework(directory):
    done, _ = run(directory, "-c", CODE % (FRAMEWORKS,), *WRONG)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("line", ["find nope.py", "sweep r.py --seed=-1", "show nope"])
def test_a_wrong_call_takes_less_than_a_second(directory, line):
    done, seconds = run(directory, "-m", "tf_lottery", *line.split())
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert seconds < SECONDS
