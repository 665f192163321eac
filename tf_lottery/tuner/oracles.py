"""What a sweep needs to know of an oracle of Keras Tuner."""

import functools
from typing import Any

from tf_lottery.tuner._keras_tuner import keras_tuner


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
