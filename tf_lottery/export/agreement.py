"""How well outputs agree with the wanted ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def difference(
    found: Sequence[Any], wanted: Sequence[Any], *, of_spread: bool = False
) -> float:
    """The root mean square of the difference, as a fraction of that of the outputs.

    Of several outputs, the worst one counts; NaN if a value is not finite. The largest
    difference would not do: in an int8 file one clipped activation decides it, by
    chance.

    Args:
        found, wanted: Outputs of the same examples.
        of_spread: Whether the fraction is of how much each output varies from example
            to example, as only that carries information. Meant for quantized weights.
    """
    worst = 0.0
    for one, other in zip(found, wanted, strict=True):
        one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
        if not np.isfinite(one).all():
            return float("nan")
        spread = other - other.mean(axis=0) if of_spread else other
        scale = float(np.sqrt(np.mean((spread if spread.any() else other) ** 2))) or 1.0
        worst = max(worst, float(np.sqrt(np.mean((one - other) ** 2))) / scale)
    return worst


def largest(found: Sequence[Any], wanted: Sequence[Any]) -> float:
    """The largest difference of an output."""
    return max(
        float(np.abs(np.subtract(one, other, dtype=np.float64)).max(initial=0.0))
        for one, other in zip(found, wanted, strict=True)
    )


def argmax_agreement(outputs: Sequence[Any], wanted: Sequence[Any]) -> float | None:
    """How often the largest output is the same one; None if there is only one."""
    if outputs[0].ndim < 2 or outputs[0].shape[-1] < 2:
        return None
    return float((outputs[0].argmax(-1) == wanted[0].argmax(-1)).mean())


def accuracy(outputs: Sequence[Any], labels: Any) -> float | None:
    """The fraction that is classified right; None if this is not a classification.

    Args:
        outputs: Probabilities or logits, of a model with one output.
        labels: Classes, or one-hot vectors; None if they are not known.
    """
    scores = outputs[0]
    if labels is None or len(outputs) != 1 or scores.ndim != 2 or not scores.size:
        return None
    classes = _classes(labels, max(2, scores.shape[1]))
    if classes is None or len(classes) != len(scores):
        return None
    if scores.shape[1] > 1:
        found = scores.argmax(-1)
    else:  # one output: a probability, or a logit
        probable = scores.min() >= 0 and scores.max() <= 1
        found = scores[:, 0] > (0.5 if probable else 0.0)
    return float((found == classes).mean())


def _classes(labels: Any, number: int) -> Any:
    """The class of each example, or None if the labels are not classes."""
    if labels.dtype.kind not in "biuf":
        return None
    if labels.ndim == 2 and labels.shape[1] == number:
        one_hot = ((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all()
        return labels.argmax(-1) if one_hot else None
    classes = labels.reshape(-1)
    if classes.size != len(labels) or not np.isin(classes, np.arange(number)).all():
        return None
    return classes
