"""Which errors are a trial's own. All other errors end the sweep."""

import contextlib
from collections.abc import Iterator

from tf_lottery.tuner._keras_tuner import keras_tuner

_errors = keras_tuner.errors


@contextlib.contextmanager
def sorted_out(*own: type[Exception]) -> Iterator[None]:
    """Turns a trial's own errors into a failed trial, and all others into a fatal one.

    A trial's own are those of the kinds `own`, a loss that becomes NaN, and a lack of
    memory: the sweep continues with the next trial. Any other error ends the sweep, as
    the `__cause__` of a FatalError.
    """
    try:
        yield
    except (_errors.FailedTrialError, _errors.FatalError):
        raise
    except Exception as error:
        why = str(error) or type(error).__name__
        if isinstance(error, (*own, FloatingPointError)) or _lacks_memory(error):
            raise _errors.FailedTrialError(why) from None
        raise _errors.FatalError(why) from error


def reason(message: str | None) -> str:
    """Why a trial failed, in one line, from the traceback that Keras Tuner keeps.

    Keras Tuner's workers do not send it to their chief.
    """
    if not message:
        return "its worker's output says why"
    return message.strip().splitlines()[-1].rpartition("FailedTrialError: ")[2]


def _lacks_memory(error: BaseException | None) -> bool:
    """Whether Python or TensorFlow had too little memory."""
    if error is None:
        return False
    names = {kind.__name__ for kind in type(error).mro()}
    lacks = names & {"MemoryError", "ResourceExhaustedError"}
    return bool(lacks) or _lacks_memory(error.__cause__)
