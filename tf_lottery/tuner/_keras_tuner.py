"""Keras Tuner, which is an extra: its import, its oracles and its errors."""

import contextlib
import functools
import math
from collections.abc import Iterator
from typing import Any

from tf_lottery.core.packages import install

try:
    import keras_tuner as keras_tuner
except ImportError as error:
    raise ImportError(f"Sweeps need Keras Tuner. {install('tuner')}") from error


def describe(oracle: keras_tuner.Oracle) -> dict[str, Any]:
    """What makes an oracle another one."""
    names = ("max_epochs", "factor", "hyperband_iterations")
    settings = {name: getattr(oracle, name) for name in names if hasattr(oracle, name)}
    return {"kind": type(oracle).__name__, **settings}


def shortest(oracle: keras_tuner.Oracle) -> int | None:
    """The fewest epochs of a trial, where the oracle decides how many each has."""
    if not isinstance(oracle, keras_tuner.oracles.HyperbandOracle):
        return None
    return int(oracle._get_epochs(oracle._get_num_brackets() - 1, 0))


def independent(oracle: keras_tuner.Oracle, space: Any) -> int:
    """How many trials an oracle proposes at most, whatever their figures are.

    1, if it looks at the figures of some trials before it proposes others. `space` is
    all that there is to choose.
    """
    if type(oracle) is keras_tuner.oracles.RandomSearchOracle:
        return int(oracle.max_trials)
    if type(oracle) is keras_tuner.oracles.GridSearchOracle:
        size = math.prod(len(list(each.values)) for each in space.space)
        return min(size, oracle.max_trials or size)
    return 1


def proposed(oracle: keras_tuner.Oracle, tuner_id: str, number: int) -> list[Any]:
    """Up to `number` trials that an oracle proposes before one of them ends.

    Fewer, if it waits for their ends; none, if it has no more. Trials that were stopped
    come first.
    """
    found = []
    for place in range(number):
        trial = oracle.create_trial(f"{tuner_id}.{place}")
        if trial.status != "RUNNING":
            break
        found.append(trial)
        if isinstance(oracle, keras_tuner.oracles.GridSearchOracle):
            # It would wait for the end of this trial before it proposes the next.
            oracle._populate_next.append(trial.trial_id)
    return sorted(found, key=lambda trial: oracle.start_order.index(trial.trial_id))


def complete(oracle: keras_tuner.Oracle) -> None:
    """Gives a grid that was loaded from its file what that file lacks.

    Keras Tuner 1.4.8 saves neither the order of a grid's trials nor which of them
    may still lack a successor. Without them, the grid ends early as if it were
    complete, or with a KeyError.
    """
    if not isinstance(oracle, keras_tuner.oracles.GridSearchOracle):
        return
    trials = {name: oracle.trials[name] for name in oracle.start_order}

    def compare(one: str, other: str) -> int:
        values = (trials[name].hyperparameters.values for name in (one, other))
        return int(oracle._compare(*values))

    for name in sorted(trials, key=functools.cmp_to_key(compare)):
        oracle._ordered_ids.insert(name)
    oracle._populate_next = list(trials)  # one that has a successor is skipped


@contextlib.contextmanager
def sorted_out(*own: type[Exception]) -> Iterator[None]:
    """Turns a trial's own errors into a failed trial, and all others into a fatal one.

    A trial's own are those of the kinds `own`, a loss that becomes NaN, and a lack of
    memory: the sweep continues with the next trial. Any other error ends the sweep, as
    the `__cause__` of a FatalError.
    """
    try:
        yield
    except (keras_tuner.errors.FailedTrialError, keras_tuner.errors.FatalError):
        raise
    except Exception as error:
        why = str(error) or type(error).__name__
        if isinstance(error, (*own, FloatingPointError)) or _lacks_memory(error):
            raise keras_tuner.errors.FailedTrialError(why) from None
        raise keras_tuner.errors.FatalError(why) from error


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
