"""What is left of a search that an error ends, in words."""

import contextlib
import contextvars
from collections.abc import Iterator

from tf_lottery.core.archive import PathLike

_sentence = contextvars.ContextVar("_sentence", default="")


@contextlib.contextmanager
def keeping(run_dir: PathLike | None) -> Iterator[None]:
    """While it is entered, a search writes to a directory; the outermost one counts.

    Args:
        run_dir: None, if the directory is temporary.
    """
    if _sentence.get():
        yield
        return
    found = " Nothing is kept: pass `run_dir` to be able to continue."
    if run_dir is not None:
        found = f" What is finished is kept in {str(run_dir)!r}."
    token = _sentence.set(found)
    try:
        yield
    finally:
        _sentence.reset(token)


def kept() -> str:
    """The sentence that ends the message of an error, after a space.

    Empty where no search is: who calls a trainer keeps what it returns.
    """
    return _sentence.get()
