"""Which errors are a trial's own, and how a sweep ends of too many."""

import contextlib
from collections.abc import Iterator
from typing import Any

from tf_lottery.tuner._keras_tuner import keras_tuner


@contextlib.contextmanager
def of_a_choice() -> Iterator[None]:
    """Errors in here come of what was chosen: the trial fails, the others go on."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise keras_tuner.errors.FailedTrialError(str(error)) from error


@contextlib.contextmanager
def of_a_search() -> Iterator[None]:
    """Of NaN the trial fails; of what no trial is to blame for, the sweep ends.

    A full disk, or files of another search: then it can go on with the trial. What else
    goes wrong in training is left to Keras Tuner, which can try again.
    """
    try:
        yield
    except FloatingPointError as error:
        raise keras_tuner.errors.FailedTrialError(str(error)) from error
    except (OSError, ValueError) as error:
        raise keras_tuner.errors.FatalRuntimeError(str(error)) from error


@contextlib.contextmanager
def ending_together(oracle: Any) -> Iterator[None]:
    """Too many failures in a row end the workers, and then the chief with the error.

    Keras Tuner raises it in a worker's call, and its chief waits for ever.
    """
    check = oracle._check_consecutive_failures
    errors: list[RuntimeError] = []

    def noted() -> None:
        try:
            check()
        except RuntimeError as error:
            errors.append(error)
            oracle.max_trials = len(oracle.trials)  # no more are given

    oracle._check_consecutive_failures = noted
    yield
    if errors:
        raise errors[0]
