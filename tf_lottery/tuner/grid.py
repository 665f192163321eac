"""A grid of Keras Tuner goes on after it was stopped.

Keras Tuner 1.4.8 keeps neither the order of a grid's trials nor which of them have no
next one yet, so that a grid that is loaded again ends at once or with a KeyError. Both
follow from the trials.
"""

import functools
from typing import Any

from tf_lottery.tuner._keras_tuner import keras_tuner


def restore(oracle: Any) -> None:
    """Gives an oracle that was loaded the place in its grid again, if it is one."""
    if not isinstance(oracle, keras_tuner.oracles.GridSearchOracle):
        return
    values = {name: t.hyperparameters.values for name, t in oracle.trials.items()}

    def compare(one: str, other: str) -> int:
        return int(oracle._compare(values[one], values[other]))

    oracle._ordered_ids = type(oracle._ordered_ids)()
    for name in sorted(values, key=functools.cmp_to_key(compare)):
        oracle._ordered_ids.insert(name)
    # One whose next is there already is passed over.
    oracle._populate_next = list(values)
