"""The criterion that needs data: how much the loss depends on each weight."""

from typing import Any

from tf_lottery import bindings
from tf_lottery.core.criteria import Criterion


def gradient(model: Any, batch: Any) -> Criterion:
    """A criterion that scores |w * dL/dw| of the trained weights on a batch.

    Args:
        model: The compiled model that is searched, or the function that returns it; it
            is not changed.
        batch: A tuple `(x, y[, sample_weight])`.

    Example:
        ```python
        criterion = tf_lottery.gradient(model, (x[:1000], y[:1000]))
        find_ticket(model, (x, y), criterion=criterion)
        ```

    Reference: SNIP, arXiv 1810.02340, here applied after training.
    """
    binding, found, _ = bindings.binding_and_model(model, 0)
    return binding.loss_gradient(found, batch)
