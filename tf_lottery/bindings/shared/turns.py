"""Threads that take turns: one runs at a time, and all wait for answers together."""

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import Any

from tf_lottery.core import pausing, stopping

# From what the lanes that wait have asked, by number, to the answers of some of them.
Answer = Callable[[Mapping[int, Any]], Mapping[int, Any]]
_PAUSE = object()  # what a lane asks that waits for something outside of it


class Turns:
    """Runs iterators side by side, each in a thread, of which one runs at a time.

    Args:
        width: How many run side by side.
        answer: Called in the thread of `run`, when all lanes wait.
    """

    def __init__(self, width: int, answer: Answer) -> None:
        self._answer = answer
        self._lanes: list[_Lane | None] = [None] * width
        self._made: deque[Any] = deque()
        self.lane = 0  # the number of the one that runs

    def run(self, tasks: Iterator[Iterator[Any]]) -> Iterator[Any]:
        """Yields what the tasks yield, in the order in which it is made.

        An error of one ends the others. One that ends a process is raised in them, too.
        All have ended when it returns or raises, also after Ctrl-C is pressed again.
        """
        ending: BaseException = _Left()
        try:
            while True:
                for number, lane in enumerate(self._lanes):
                    while lane is None and (task := next(tasks, None)) is not None:
                        self._lanes[number] = _Lane(task, self._made, self._pause)
                        yield from self._resumed(number)
                        lane = self._lanes[number]
                if not any(self._lanes):
                    return
                asked = {n: lane.asked for n, lane in self._living()}
                for number, answer in self._answers(asked).items():
                    yield from self._resumed(number, answer)
        except BaseException as error:
            if not isinstance(error, Exception | GeneratorExit):
                ending = error
            raise
        finally:
            # One that is left behind would keep its locks, and write later on.
            interrupted = stopping.insist(lambda: self._end(ending))
            if interrupted and isinstance(ending, _Left):
                raise interrupted

    def ask(self, question: Any) -> Any:
        """What `answer` says; called by a task, whose turn ends until then."""
        lane = self._lanes[number := self.lane]
        assert lane is not None
        answer = lane.wait(question)
        self.lane = number
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _pause(self) -> None:
        """Called by a task, whose turn ends until others have an answer."""
        self.ask(_PAUSE)

    def _answers(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        """The answers; an error is raised in a task, which says where it was."""
        waiting = {n: None for n, question in asked.items() if question is _PAUSE}
        others = {n: asked[n] for n in asked if n not in waiting}
        if not others:
            pausing.sleep()  # another process does what they wait for
            return waiting
        try:
            return {**waiting, **self._answer(others)}
        except Exception as error:
            return {next(iter(others)): error}

    def _resumed(self, number: int, answer: Any = None) -> Iterator[Any]:
        """Lets a lane run until it asks or ends."""
        lane = self._lanes[number]
        assert lane is not None
        self.lane = number
        lane.resume(answer)
        if lane.has_ended:
            self._lanes[number] = None
        while self._made:
            yield self._made.popleft()
        if lane.error is not None:
            raise lane.error

    def _end(self, ending: BaseException) -> None:
        """Ends the lanes, one after another; called again if a signal interrupts it."""
        living = dict(self._living())
        # The one that runs still reads the state of the lane whose turn it is.
        for number in sorted(living, key=lambda each: each != self.lane):
            self.lane = number
            living[number].end(ending)
            self._lanes[number] = None

    def _living(self) -> Iterator[tuple[int, "_Lane"]]:
        found = [(n, lane) for n, lane in enumerate(self._lanes) if lane is not None]
        return iter(found)


class _Left(BaseException):
    """Ends a task whose result nobody wants."""


class _Lane:
    """One thread; between `resume` and its next question, it runs alone."""

    def __init__(
        self, task: Iterator[Any], made: deque[Any], pause: Callable[[], None]
    ) -> None:
        self.asked: Any = None
        self.has_ended = False
        self.error: BaseException | None = None
        self._ending: BaseException | None = None
        self._task, self._made = task, made
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._stops: SimpleQueue[None] = SimpleQueue()
        context = contextvars.copy_context()
        context.run(pausing.use, pause)
        self._thread = threading.Thread(target=context.run, args=[self._work])
        self._thread.daemon = True
        self._thread.start()

    def resume(self, answer: Any) -> None:
        self._answers.put(answer)
        self._stops.get()

    def wait(self, question: Any) -> Any:
        """Called in the thread: stops until there is an answer."""
        if self._ending is None:
            self.asked = question
            self._stops.put(None)
            answer = self._answers.get()
        if self._ending is not None:
            raise self._ending
        return answer

    def end(self, ending: BaseException) -> None:
        """Raises an error in the thread, and waits until it has ended.

        It is called again if a signal interrupts it.
        """
        # It meets the error at its next question, or wakes with it.
        self._ending = ending
        self._answers.put(None)
        # A `join` that is interrupted takes the thread for one that has ended.
        while not self.has_ended:
            self._stops.get()
        self._thread.join()

    def _work(self) -> None:
        try:
            self._answers.get()
            if self._ending is None:
                for item in self._task:
                    self._made.append(item)
        except BaseException as error:
            self.error = error
        finally:
            self.has_ended = True
            self._stops.put(None)
