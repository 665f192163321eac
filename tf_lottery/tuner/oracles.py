"""What is known of an oracle before it is asked for trials."""

from typing import Any

from tf_lottery.tuner._keras_tuner import keras_tuner


def describe(oracle: keras_tuner.Oracle) -> dict[str, Any]:
    """What makes an oracle another one."""
    names = ("max_epochs", "factor", "hyperband_iterations")
    settings = {name: getattr(oracle, name) for name in names if hasattr(oracle, name)}
    return {"kind": type(oracle).__name__, **settings}


def shortest(oracle: keras_tuner.Oracle) -> int | None:
    """The least epochs of a trial, where the oracle says how many each has."""
    if not isinstance(oracle, keras_tuner.oracles.HyperbandOracle):
        return None
    return int(oracle._get_epochs(oracle._get_num_brackets() - 1, 0))
