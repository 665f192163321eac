"""Threads take turns: one runs at a time, and all wait for answers together."""

import signal
import threading
import time

import pytest

from tf_lottery.bindings.shared.turns import Turns
from tf_lottery.core import pausing


def run(tasks, width, answer=lambda asked: {n: sum(asked.values()) for n in asked}):
    turns = Turns(width, answer)
    return turns, turns.run(task(turns) for task in tasks)


def asking(*numbers):
    def task(turns):
        for number in numbers:
            yield number, turns.ask(number)

    return task


def test_questions_are_answered_together():
    _, made = run([asking(1, 2), asking(10, 20)], 2)
    assert list(made) == [(1, 11), (10, 11), (2, 22), (20, 22)]


def test_a_task_that_ends_makes_room_for_the_next():
    widths = []

    def answer(asked):
        widths.append(len(asked))
        return asked

    _, made = run([asking(1), asking(2, 3), asking(4), asking(5)], 2, answer)
    assert sorted(made) == [(n, n) for n in range(1, 6)]
    assert widths == [2, 2, 1]


def test_some_may_be_answered_before_others():
    _, made = run(
        [asking(1), asking(2)], 2, lambda asked: {max(asked): asked[max(asked)]}
    )
    assert list(made) == [(2, 2), (1, 1)]


def test_one_thread_runs_at_a_time():
    running, most = [0], [0]

    def task(turns):
        for _ in range(50):
            running[0] += 1
            most[0] = max(most[0], running[0])
            running[0] -= 1
            turns.ask(0)
        yield threading.current_thread()

    _, made = run([task] * 4, 4)
    assert len(set(made)) == 4
    assert most == [1]


def test_a_task_that_waits_lets_the_others_go_on():
    done = []

    def first(turns):
        for number in range(3):
            yield turns.ask(number)
        done.append("first")

    def second(turns):
        while not done:
            pausing.pause()
        yield turns.ask(9)

    asked = []

    def answer(questions):
        asked.append(dict(questions))
        return questions

    _, made = run([first, second], 2, answer)
    assert list(made) == [0, 1, 2, 9]
    assert asked == [{0: 0}, {0: 1}, {0: 2}, {1: 9}]


def test_tasks_that_all_wait_are_asked_again(monkeypatch):
    slept = []
    monkeypatch.setattr(pausing, "sleep", lambda: slept.append(1))

    def waiting(turns):
        while len(slept) < 3:
            pausing.pause()
        yield len(slept)

    assert list(run([waiting, waiting], 2)[1]) == [3, 3]


def ending(seen):
    def task(turns):
        try:
            turns.ask(0)
            yield
        except BaseException as error:
            seen.append(type(error))
            raise

    return task


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_one_ends_the_others(error):
    seen, before = [], threading.active_count()

    def failing(turns):
        turns.ask(0)
        raise error("it fails")
        yield

    _, made = run([failing, ending(seen)], 2)
    with pytest.raises(error, match="it fails"):
        list(made)
    # What ends a process is raised in each; others are only left.
    assert [each is error for each in seen] == [error is KeyboardInterrupt]
    assert threading.active_count() == before


def interrupt():
    """Sends what Ctrl-C sends, and gives it time to arrive."""
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    time.sleep(0.1)


def test_the_task_whose_turn_it_is_ends_before_the_others():
    """What a training writes while it ends must be its own."""
    ended = []

    def task(turns, number):
        try:
            if number == 1:
                interrupt()
            turns.ask(0)
            yield
        finally:
            ended.append((number, turns.lane))

    turns = Turns(3, dict)
    with pytest.raises(KeyboardInterrupt):
        list(turns.run(task(turns, number) for number in range(3)))
    assert ended == [(1, 1), (0, 0)]


def interrupted_at_its_end(ended):
    """A task in whose end Ctrl-C is pressed; it notes that it went on."""

    def task(turns):
        try:
            turns.ask(0)
            yield
        finally:
            interrupt()
            ended.append("is written")

    return task


def test_ctrl_c_again_while_tasks_end_leaves_none_of_them_behind():
    ended, before = [], threading.active_count()

    def answer(asked):
        raise KeyboardInterrupt("the first")

    _, made = run([interrupted_at_its_end(ended)] * 3, 3, answer)
    with pytest.raises(KeyboardInterrupt, match="the first"):
        list(made)
    assert ended == ["is written"] * 3
    assert threading.active_count() == before


def test_ctrl_c_while_tasks_end_after_an_error_is_not_lost():
    def failing(turns):
        raise ValueError("it fails")
        yield

    _, made = run([interrupted_at_its_end([]), failing], 2)
    with pytest.raises(KeyboardInterrupt):
        list(made)


def test_an_error_of_the_answer_is_raised_where_a_task_asked():
    def explained(turns):
        try:
            turns.ask(0)
        except RuntimeError as error:
            raise ValueError("step 7") from error
        yield

    def answer(asked):
        raise RuntimeError("the program failed")

    with pytest.raises(ValueError, match="step 7"):
        list(run([explained] * 2, 2, answer)[1])


def test_an_error_of_the_answer_ends_all():
    seen = []

    def answer(asked):
        raise RuntimeError("the program failed")

    with pytest.raises(RuntimeError, match="the program failed"):
        list(run([ending(seen)] * 3, 3, answer)[1])
    assert len(seen) == 3


def test_who_stops_to_read_ends_all():
    seen = []
    _, made = run([asking(1, 2), ending(seen)], 2)
    assert next(made) == (1, 1)
    made.close()
    assert len(seen) == 1
