"""The notes of a card warn of what costs accuracy, and of times that say nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_lottery.export import latency, notes
from tf_lottery.export.files import Size
from tf_lottery.export.sample import CALIBRATION, Sample

N = 1000
rights = st.integers(0, N)
LABELLED = Sample((np.zeros((N, 2)),), np.zeros(N), "test data")
RANDOM = Sample((np.zeros((N, 2)),), None, "random inputs")


def warnings(ticket=N, file=N, same=N, examples=LABELLED, **format):
    """The warnings on a file that has so many of 1,000 examples right and as before."""
    scores = {} if ticket is None else {"ticket": ticket / N, "file": file / N}
    check = {"accuracy": scores, "argmax_agreement": same and same / N}
    return notes.of_decisions(check, examples, {"format": "TFLite", **format})


@given(rights, rights)
def test_there_is_a_warning_exactly_where_accuracy_falls_by_over_a_point(ticket, file):
    assert bool(warnings(ticket, file)) == (ticket - file > 10)


@given(rights)
def test_there_is_a_warning_exactly_where_over_5_percent_are_other_classes(other):
    for scores in (N, None):
        assert bool(warnings(scores, scores, N - other or 1e-9)) == (other > 50)


def test_outputs_that_are_no_classes_have_no_warning():
    assert warnings(None, None, None) == []


def test_the_warning_of_accuracy_has_the_numbers_and_the_sample():
    (note,) = warnings(982, 955, quantize="int8")
    assert "2.7 points below the ticket's" in note
    assert "95.50% against 98.20% on 1,000 examples of test data" in note


def test_the_warning_of_other_classes_has_the_share_and_the_sample():
    (note,) = warnings(same=936, quantize="dynamic")
    assert "another class than the ticket for 6.4% of 1,000 examples of test" in note


def test_a_file_with_both_faults_has_one_note_with_one_remedy():
    (note,) = warnings(982, 900, 910, quantize="float16")
    assert note.count("Leave `quantize` out") == 1


@pytest.mark.parametrize(
    ("format", "advice"),
    [
        ({"quantize": "int8"}, ["dynamic", "float16", "representative_data="]),
        ({"quantize": "int8"}, [f"first {CALIBRATION} examples", "all classes"]),
        ({"quantize": "int8", "io": "int8"}, ["leave `io` out"]),
        ({"quantize": "dynamic"}, ["float16", "leave `quantize` out"]),
        ({"quantize": "float16"}, ["Leave `quantize` out"]),
        ({"quantize": None}, ["almost equal", "compact=False"]),
        ({}, ["almost equal", "compact=False"]),
    ],
)
def test_the_warning_says_what_to_do_in_this_format(format, advice):
    (note,) = warnings(900, 800, **format)
    assert all(each in note for each in advice)


def test_random_inputs_are_said_to_say_little_of_real_ones():
    (note,) = warnings(None, None, 900, RANDOM, quantize="int8")
    assert "of 1,000 examples of random inputs" in note
    assert "Real examples may differ less: pass some by `data=`" in note


def test_without_labels_it_is_not_known_which_class_is_right():
    unlabelled = Sample(LABELLED.inputs, None, "given data")
    (note,) = warnings(None, None, 900, unlabelled, quantize="int8")
    assert "not known which of them is right" in note


ratios = st.floats(0.01, 10)


@given(st.lists(ratios, min_size=3, max_size=3).map(sorted))
def test_noisy_times_say_neither_faster_nor_slower(ordered):
    low, middle, high = ordered
    timed = {"ratio_low": low, "ratio": middle, "ratio_high": high}
    noisy = latency.is_noisy(timed)
    assert noisy == (low < 1 < high and high - low > 0.1)
    found = " ".join(notes.of_times(timed))
    assert ("varied too much" in found) == noisy
    if noisy:
        assert "does not make" not in found and "as long as" not in found


def test_a_file_that_was_not_timed_has_no_note_of_times():
    assert notes.of_times(None) == []


def test_zeros_left_out_are_said_to_be_larger_once_compressed():
    sizes, tflite = {"stripped": Size(1000, 300)}, {"format": "TFLite"}
    (note,) = notes.of_sizes(tflite, sizes, Size(500, 400))
    assert "300 against 400 bytes" in note
    assert "sparse=False" in note
    assert notes.of_sizes(tflite, sizes, Size(500, 300)) == []
    assert notes.of_sizes({"format": "SavedModel"}, sizes, Size(500, 400)) == []
