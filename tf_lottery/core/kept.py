"""The sentence of an error that says what of a search is kept."""

import contextlib
import contextvars
from collections.abc import Iterator

from tf_lottery.core.archive import PathLike

_sentence = contextvars.ContextVar("_sentence", default="")


@contextlib.contextmanager
def keeping(run_dir: PathLike | None) -> Iterator[None]:
    """Sets the sentence while a search runs; of nested searches, the outermost does.

    `run_dir` is None if the directory is temporary.
    """
    found = " Nothing is kept: pass `run_dir` to be able to continue."
    if run_dir is not None:
        found = f" What is finished is kept in {str(run_dir)!r}."
    token = _sentence.set(_sentence.get() or found)
    try:
        yield
    finally:
        _sentence.reset(token)


def kept() -> str:
    """The sentence, after a space, for the end of an error's message.

    Empty outside of a search: a caller of a trainer has what it returned.
    """
    return _sentence.get()
