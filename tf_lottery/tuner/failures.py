"""Which errors are a trial's own, and how a sweep ends of too many."""

import contextlib
from collections.abc import Iterator
from typing import Any

from tf_lottery.core.errors import InvariantError, PlanMismatchError, TicketError
from tf_lottery.tuner._keras_tuner import keras_tuner

# What no trial is to blame for: a full disk, files of another search, a bug of ours.
_OF_THE_SWEEP = (OSError, PlanMismatchError, TicketError, InvariantError)
_OF_A_TRIAL = (ValueError, FloatingPointError)


@contextlib.contextmanager
def judged() -> Iterator[None]:
    """An error that a choice or NaN is to blame for fails the trial, others go on.

    Of what no trial is to blame for the sweep ends, and can go on with this trial. What
    else goes wrong in training is left to Keras Tuner, which can try again.
    """
    try:
        yield
    except (*_OF_THE_SWEEP, *_OF_A_TRIAL) as error:
        if any(isinstance(e, _OF_THE_SWEEP) for e in (error, error.__cause__)):
            raise keras_tuner.errors.FatalRuntimeError(str(error)) from error
        raise keras_tuner.errors.FailedTrialError(str(error)) from error


def reason(trial: Any) -> str:
    """Why a trial failed, in one line; Keras Tuner keeps a traceback."""
    lines = (trial.message or "").strip().splitlines()
    return lines[-1].rpartition("FailedTrialError: ")[2] if lines else "unknown"


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Keras Tuner prints no traceback of a failed trial: its reason is told instead."""
    config = keras_tuner.src.config
    before, config.DEBUG = config.DEBUG, False
    try:
        yield
    finally:
        config.DEBUG = before


@contextlib.contextmanager
def ending_together(oracle: Any) -> Iterator[None]:
    """Too many failures in a row end the workers, and then the sweep with the error.

    Keras Tuner raises it in a worker's call, and its chief waits for ever. The trial
    that was the last one is begun again when the sweep goes on.
    """
    check, most = oracle._check_consecutive_failures, oracle.max_trials
    errors: list[RuntimeError] = []

    def noted() -> None:
        try:
            check()
        except RuntimeError:
            last = oracle.trials[oracle.end_order.pop()]
            errors.append(
                RuntimeError(
                    f"{oracle.max_consecutive_failed_trials} trials in a row failed, "
                    f"the last one, {last.trial_id}, because: {reason(last)}"
                )
            )
            oracle.max_trials = len(oracle.trials)  # no more are given

    oracle._check_consecutive_failures = noted
    try:
        yield
    finally:
        oracle._check_consecutive_failures, oracle.max_trials = check, most
    if errors:
        raise errors[0]
