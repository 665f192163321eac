"""Whether each pass over the data has the batches that it should have."""

import re
from typing import Any

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.data.feed import Feed
from tf_lottery.core.kept import kept

ENDED = (tf.errors.OutOfRangeError, tf.errors.FailedPreconditionError, StopIteration)
_PROMISED = re.compile(r"expected to contain (\d+) elements but contained (.*?)elem")


def ended_early(error: Exception, feed: Feed, step: int, what: str) -> Exception | None:
    """What to raise where a batch is missing; None if the error is another.

    Args:
        error: One of `ENDED`.
        feed: Whose pass ended.
        step: The last step that was done.
        what: What is trained.
    """
    promised = _PROMISED.search(str(error))
    is_end = isinstance(error, tf.errors.OutOfRangeError | StopIteration)
    if not (promised or is_end):
        return None
    length = feed.pass_length
    if length is None:
        return RuntimeError(
            "`dataset` must have a batch for each step of all trainings. Received: "
            f"one that ended in {what} at step {step:,}. {feed.advice}{kept()}"
        )
    return _other_length(step % length, feed, step, what)


def check_end(batches: Any, feed: Feed, step: int, what: str) -> None:
    """Raises unless a pass whose length was counted or promised is at its end."""
    if not feed.is_promised:
        return
    try:
        goes_on = bool(batches.get_next_as_optional().has_value())
    except tf.errors.FailedPreconditionError as error:
        if not _PROMISED.search(str(error)):
            raise
        goes_on = True
    if goes_on:
        raise _other_length(f"more than {feed.pass_length}", feed, step, what)


def _other_length(received: Any, feed: Feed, step: int, what: str) -> Exception:
    return RuntimeError(
        "`dataset` must have as many batches in each pass as were counted or promised, "
        f"{feed.pass_length}. Received: {received} in a pass of {what}, at step "
        f"{step:,}. {feed.advice}{kept()}"
    )
