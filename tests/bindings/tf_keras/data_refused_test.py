"""Data that no search can use, and passes of another length: what is said."""

import functools
import itertools

import numpy as np
import pytest

from tests.bindings.tf_keras.forms import (
    Changing,
    Sequence,
    endless,
    feed_of,
    generated,
    seeded_data,
    unknown,
)
from tests.models import (
    arrays,
    batches,
    compiled,
    tf,
    tiny,
)
from tf_lottery import LotteryTuner, find_rewind_point, find_ticket, one_shot
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer

slow = pytest.mark.slow
pytestmark = pytest.mark.filterwarnings(
    "ignore:No ticket|The ticket matches|Without|No verdict"
)


@pytest.mark.parametrize("place", ["dataset", "validation_data"])
def test_a_generator_that_is_refused_is_not_read(place):
    found = generated(0)
    data = {"dataset": arrays(), place: found}
    with pytest.raises(ValueError, match="generator"):
        Trainer(compiled(tiny()), plan=Plan(rounds=1), **data)
    assert np.array_equal(next(found)[0], next(generated(0))[0])


# Passes of another length.


def promised(length):
    promise = tf.data.experimental.assert_cardinality(length)
    return batches().filter(lambda x, y: True).apply(promise)


def changing_length(lengths):
    lengths = iter(lengths)

    def data(seed):
        yield from itertools.islice(generated(seed), next(lengths))

    return data


@pytest.mark.first_case
@pytest.mark.parametrize(
    "data, said, plan",
    [
        (promised(9), r"promised, 9\. Received: 6 .* round 0, at step 6", {}),
        (promised(4), r"promised, 4\. Received: more than 4 .* round 0, at step 4", {}),
        (
            changing_length([6, 6, 6, 5]),
            r"counted or promised, 6\. Received: 5 .* round 0, at step 11\.",
            {"epochs": 2},
        ),
        (
            generated(0),
            "ended in round 0 at step 6.*function of the seed",
            {"steps_per_epoch": 9},
        ),
    ],
    ids=["longer", "shorter", "counted", "generator"],
)
def test_a_pass_of_another_length_is_one_error(data, said, plan):
    with pytest.raises(RuntimeError, match=said) as caught:
        find_ticket(compiled(tiny()), data, 1, verbose=0, **plan)
    assert "\n" not in str(caught.value)


# What is refused, and said.


def sized(size=6):
    yield from itertools.islice(generated(0), size)


@pytest.mark.parametrize(
    "data, error, said",
    [
        (generated(0), ValueError, "Pass a function of the seed that returns a gen"),
        (lambda: arrays(), TypeError, r"Write `def dataset\(seed\):`"),
        (endless, TypeError, r"`endless`, which cannot .* Write `def endless\(seed"),
        (sized, TypeError, r"`sized`, .*first parameter is 'size=6'.*`def sized\(seed"),
        (lambda seed: iter(()), ValueError, "at least one batch"),
        (Sequence(0), ValueError, "at least one batch"),
        (Changing, TypeError, r"Pass an object of it, `Changing\(\.\.\.\)`"),
    ],
    ids=[
        "generator",
        "no argument",
        "generator function",
        "default",
        "empty",
        "no batches",
        "class",
    ],
)
def test_what_cannot_be_read_again_is_refused(data, error, said):
    with pytest.raises(error, match=said):
        find_ticket(compiled(tiny()), data, 1, verbose=0)


def test_a_generator_is_no_validation_data():
    with pytest.raises(ValueError, match="read more than once"):
        Trainer(compiled(tiny()), arrays(), Plan(), validation_data=generated(0))


def every(*arguments, **named):
    """The calls that take data, with what was passed to them."""
    calls = (find_ticket, one_shot, Trainer, find_rewind_point, LotteryTuner.search)
    return [functools.partial(call, *arguments, **named) for call in calls]


X, Y = arrays()


@pytest.mark.parametrize("call", range(5))
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((None, X, Y), {}),
        ((None, X, Y, 1), {}),
        ((None, X, Y), {"rounds": 1, "sparsity": 0.5, "plan": Plan()}),
        ((None, X, Y, Y), {"epochs": 1}),
        ((None, X), {"y": Y}),
        ((None,), {"x": X, "y": Y}),
        ((None, (X, Y)), {"sample_weight": Y}),
        ((None, X, Y.tolist()), {"rounds": 1}),
        ((None, X, tf.constant(Y)), {"rounds": 1}),
    ],
)
def test_data_as_several_arguments_get_one_sentence(call, arguments, named):
    with pytest.raises(TypeError, match=r"Data must be one argument.*`\(x, y\)`"):
        every(*arguments, **named)[call]()


def test_other_wrong_arguments_are_pythons_own_errors():
    with pytest.raises(TypeError, match="positional"):
        find_ticket(None, (X, Y), 1, 2)
    with pytest.raises(TypeError, match="multiple values"):
        find_ticket(None, (X, Y), 1, rounds=2)
    with pytest.raises(TypeError, match="unexpected keyword"):
        find_ticket(None, (X, Y), shuffle=True)


def test_refused_arrays_are_not_printed():
    x = np.array([[1], [1, 2]] * 500, object)
    with pytest.raises(TypeError, match=r"shape \(1000,\) and dtype object") as caught:
        feed_of((x, np.zeros(1000)))
    assert len(str(caught.value)) < 500
    with pytest.raises(TypeError, match=r"a list of 96 parts.*tf\.ragged\.constant"):
        feed_of(([[1], [1, 2]] * 48, np.zeros(96)))


@pytest.mark.parametrize(
    "data, plan, said",
    [
        (arrays(), {}, ""),
        (batches(), {}, ""),
        (Sequence(), {}, "follows from seed and pass"),
        (Changing(), {}, "resumed but not repeated"),
        (generated, {}, "called with the seed for each pass"),
        (endless(), {"steps_per_epoch": 4}, "not repeated"),
        (unknown(), {}, "`dataset` has 6 batches, counted in a first pass."),
        (batches().shuffle(9), {}, "resumed but not repeated"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_form_means_is_said_in_one_line(data, plan, said):
    [note] = seeded_data(data, plan=Plan(**plan)).notes or [""]
    assert said in note
    assert "\n" not in note
    assert bool(note) == bool(said)


def test_the_line_is_printed_once(capsys):
    find_ticket(compiled(tiny()), generated, 1, verbose=2)
    assert capsys.readouterr().out.count("is called with the seed") == 1


def test_batches_of_python_code_are_not_shared_with_other_searches():
    trainer = Trainer(compiled(tiny()), Sequence(), Plan())
    assert "Python code" in trainer.facts["unknown"]
