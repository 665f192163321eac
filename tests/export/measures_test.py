"""How exact, how large and how fast: what a card reports of a file."""

import itertools
import os
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_lottery.export import files, latency
from tf_lottery.export.agreement import accuracy, argmax_agreement, difference, largest

CLASSES = np.array([0, 2, 1, 2])
SCORES = np.float32([[3, 1, 2], [0, 1, 5], [0, 1, 5], [1, 2, 9]])  # 3 of 4


@pytest.mark.parametrize(
    "labels",
    [CLASSES, CLASSES[:, None], np.eye(3)[CLASSES], CLASSES.astype("f4")],
    ids=["classes", "a column", "one-hot", "floats"],
)
def test_accuracy_of_classes(labels):
    assert accuracy([SCORES], labels) == 0.75
    assert accuracy([SCORES.astype("f2")], labels) == 0.75


@pytest.mark.parametrize("dtype", [np.int64, np.float32, bool])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_accuracy_of_two_classes_by_one_output(dtype, shape):
    labels = np.array([0, 1, 1, 0], dtype).reshape(shape)
    probabilities = np.float32([[0.4], [0.6], [0.3], [0.1]])
    assert accuracy([probabilities], labels) == 0.75
    assert accuracy([np.log(probabilities / (1 - probabilities))], labels) == 0.75


REGRESSION = np.float32([[0.5], [2.5], [3.0], [7.0]])


@pytest.mark.parametrize(
    "outputs, labels",
    [
        (SCORES, None),
        (REGRESSION, REGRESSION),
        (REGRESSION, np.array([1, 2, 3, 7])),
        (REGRESSION, np.array([-1, 1, 1, -1])),
        (SCORES, SCORES),
        (SCORES, np.array([0, 1, 2, 3])),
        (SCORES, np.array([[1, 1, 0]] * 4)),
        (SCORES, np.array(["a", "b", "c", "d"])),
        (SCORES, CLASSES[:2]),
        (SCORES[:, None], CLASSES),
        (SCORES[:, 0], CLASSES),
    ],
)
def test_no_accuracy_where_it_is_no_classification(outputs, labels):
    assert accuracy([outputs], labels) is None


def test_no_accuracy_of_several_outputs():
    assert accuracy([SCORES, SCORES], CLASSES) is None


def test_agreement_counts_equal_decisions():
    assert argmax_agreement([SCORES], [SCORES * 2]) == 1
    assert argmax_agreement([SCORES], [SCORES[::-1]]) == 0.5
    assert argmax_agreement([REGRESSION], [REGRESSION]) is None


def test_differences_are_relative_to_the_outputs():
    assert difference([SCORES], [SCORES]) == largest([SCORES], [SCORES]) == 0
    assert difference([SCORES * 1.01], [SCORES]) == pytest.approx(0.01, rel=1e-3)
    assert difference([SCORES * 1000 * 1.01], [SCORES * 1000]) == pytest.approx(0.01)
    assert largest([SCORES + 0.25], [SCORES]) == 0.25


def test_the_worst_of_several_outputs_counts():
    outputs = [SCORES, SCORES * 1.5]
    assert difference(outputs, [SCORES, SCORES]) == pytest.approx(0.5)
    assert largest(outputs, [SCORES, SCORES]) == 4.5


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_not_finite_never_passes(value):
    spoiled = SCORES.copy()
    spoiled[1, 1] = value
    assert not difference([spoiled], [SCORES]) <= 1e9
    assert not difference([spoiled], [spoiled]) <= 1e9


@given(st.integers(0, 3))
def test_zero_outputs_are_compared_absolutely(power):
    zeros = np.zeros((4, 3))
    assert difference([zeros + 10.0**-power], [zeros]) == pytest.approx(10.0**-power)


@pytest.fixture
def task(monkeypatch):
    """Makes functions that take a time, on a clock that a busy machine does not slow.

    A third of the measurements takes twice as long, as if other processes ran.
    """
    clock, disturbed = [0.0], itertools.cycle([1, 1, 1, 1, 2, 2])

    def timed(function, number):
        started, factor = clock[0], next(disturbed)
        for _ in range(number):
            function()
        return factor * (clock[0] - started)

    def of(seconds):
        return lambda: clock.__setitem__(0, clock[0] + seconds)

    monkeypatch.setattr(latency.timeit, "timeit", timed)
    return of


def test_the_same_function_is_as_fast_as_itself(task):
    found = latency.time_pairs(task(0.0005), task(0.0005), 40)
    assert found["ratio"] == pytest.approx(1)
    assert found["ratio_low"] <= found["ratio"] <= found["ratio_high"]
    assert found["microseconds"] == pytest.approx(500)


def test_a_faster_function_is_faster(task):
    found = latency.time_pairs(task(0.0005), task(0.002), 40)
    assert found["ratio"] == pytest.approx(0.25)


def test_a_function_is_really_timed():
    found = latency.time_pairs(lambda: time.sleep(0.001), lambda: None, 3)
    assert found["microseconds"] >= 1000
    assert found["ratio"] > 1


def test_the_processor_is_named():
    assert latency.cpu().endswith(f"{os.cpu_count()} cores")


def test_the_size_of_a_directory_does_not_depend_on_when_it_was_written(tmp_path):
    for name, when in (("one", 0), ("other", 10**9)):
        (tmp_path / name / "variables").mkdir(parents=True)
        for path in ("variables/b", "a"):
            file = tmp_path / name / path
            file.write_bytes(path.encode() * 1000)
            os.utime(file, (when, when))
    one, other = (tmp_path / name for name in ("one", "other"))
    assert files.size(one) == files.size(other)
    assert files.size(one).raw == 1000 + 11_000
    assert files.size(one).gz < 1000
    assert files.sha256(one) == files.sha256(other)
    (other / "a").rename(other / "c")
    assert files.sha256(one) != files.sha256(other)


def test_the_size_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"a" * 5000)
    assert files.size(tmp_path / "file") == files.size_of(b"a" * 5000)
    assert files.size(tmp_path / "file").raw == 5000
    with pytest.raises(FileNotFoundError):
        files.size(tmp_path / "missing")
