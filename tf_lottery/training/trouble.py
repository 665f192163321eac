"""What can go wrong in a training: one error for each, with round and step."""

import re
from collections.abc import Mapping

import numpy as np

from tf_lottery.bindings.parts import Faults
from tf_lottery.core.data import ARGUMENTS
from tf_lottery.core.kept import kept
from tf_lottery.core.outcome import State
from tf_lottery.core.spoiled import is_finite, not_finite
from tf_lottery.core.words import telling_line

_INDEX = re.compile(r"indices\[.*\] = .* is not in \[0, ")


def failure(error: BaseException, what: str, step: int, due: int) -> Exception:
    """The error to raise for one of TensorFlow's, if data or a step fail.

    After `step` steps, `due` more were being done.
    """
    where = f"after step {step:,}"
    if due:
        last = f"s {step + 1:,} to {step + due:,}"
        where = f"in step{last if due > 1 else f' {step + 1:,}'}"
    said = telling_line(error)
    advice = "Look at the data and at the model."
    if _INDEX.search(said):
        advice = (
            "Number what indices stand for from 0, or give the `Embedding` that takes "
            "them a larger `input_dim`."
        )
    return RuntimeError(
        f"The training of {what} failed {where} with {said}. {advice}{kept()}"
    )


def check_pass(name: str, batches: int, first: int, what: str, step: int) -> None:
    """Raises unless an evaluation read as many batches as the first one."""
    if batches and batches == first:
        return
    expected = "at least one batch" if not batches else f"{first} batches, as at first"
    raise RuntimeError(
        f"`{ARGUMENTS[name]}` must give {expected}. Received: {batches} batches in "
        f"{what} at step {step:,}.{kept()}"
    )


def check_number(name: str, logs: Mapping[str, float], what: str, step: int) -> None:
    """Raises unless the value is there and a finite number."""
    if name not in logs:
        raise RuntimeError(
            f"The model's steps must return `{name}`. Received: "
            f"{', '.join(map(repr, logs)) or 'nothing'} in {what} at step {step:,}. "
            "Let `train_step` and `test_step` return a dict with 'loss'."
        )
    if is_finite(logs[name]):
        return
    became = "NaN" if np.isnan(logs[name]) else "infinite"
    raise FloatingPointError(
        f"`{name}` became {became} in {what} by step {step:,}. Lower the learning "
        f"rate, or look at the data.{kept()}"
    )


def check_state(state: State, start: State, what: str, step: int) -> None:
    """Raises if weights or optimizer variables are NaN or infinite."""
    if names := not_finite(state, start):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise FloatingPointError(
            f"{', '.join(map(repr, names[:3]))}{more} became NaN or infinite in {what} "
            f"by step {step:,}. Lower the learning rate, or look at the data and at "
            f"callbacks that change weights.{kept()}"
        )


def check_masks(faults: Faults, what: str, step: int) -> None:
    """Raises if masks have changed, or pruned weights are leaking: not zero."""
    changed, leaking = faults
    if changed:
        raise RuntimeError(
            "Masks must stay as they were decided. Received: other masks of "
            f"{', '.join(map(repr, changed))} in {what} at step {step:,}. A callback "
            "or a training step changed the variables that hold them. Change weights "
            f"only, by `model.set_weights` or `weight.assign`.{kept()}"
        )
    if leaking:
        raise RuntimeError(
            f"Pruned weights of {', '.join(map(repr, leaking))} became nonzero in "
            f"{what} by step {step:,}. A callback or a training step changed weights "
            "by an operation that does not respect masks, such as a scatter update or "
            "a step of an optimizer of its own. Take steps by `self.optimizer`, and "
            f"assign by `weight.assign` or `model.set_weights`.{kept()}"
        )
