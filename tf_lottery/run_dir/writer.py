"""Files that are written while the next training runs.

One thread does what it is given, one after another, so that the order of files on disk
is that of the calls. What fails there ends all that would follow, and is raised by the
next call here. A search that is killed meanwhile trains again what was not written.
"""

import concurrent.futures
import contextvars
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType

from tf_lottery.core import stopping
from tf_lottery.core.arrays import Array

Job = Callable[[], object]


class Writer:
    """Does jobs in the background; as a context it waits for them at its end."""

    def __init__(self) -> None:
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "tf_lottery_writer")
        self._due: list[concurrent.futures.Future[None]] = []
        self._failed = False

    def write(self, job: Job) -> None:
        """Does a job after all that were given before it."""
        self.check()
        # The thread's errors then say what of the search is kept.
        context = contextvars.copy_context()
        self._due.append(self._thread.submit(context.run, self._do, job))

    def check(self) -> None:
        """Raises what a job raised, without waiting for those that are not done."""
        while self._due and self._due[0].done():
            self._due.pop(0).result()

    def wait(self) -> None:
        """Waits for all jobs; raises what one of them raised."""
        while self._due:
            self._due[0].result()
            self._due.pop(0)

    def _do(self, job: Job) -> None:
        if self._failed:
            return
        try:
            job()
        except BaseException:
            self._failed = True
            raise

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The directory is free afterwards, so that nothing may be written then.
        interrupted = stopping.insist(lambda: concurrent.futures.wait(self._due))
        self._thread.shutdown()
        if error is None:
            if interrupted:
                raise interrupted
            self.wait()


class BeingWritten(Mapping[str, Array]):
    """Arrays in memory until they are written; from then on those of the file."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = arrays

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self.arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)
