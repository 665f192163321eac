"""The criterion that needs data: how much the loss depends on each weight."""

import functools
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3._imports import backend, keras
from tf_lottery.bindings.keras3.arrays import array_of
from tf_lottery.bindings.keras3.checks.model import check_model
from tf_lottery.bindings.keras3.copying.compiled import masked_copy
from tf_lottery.bindings.keras3.live import Live
from tf_lottery.bindings.keras3.models import built_for
from tf_lottery.bindings.shared.layers import asked_for
from tf_lottery.bindings.shared.rows import unpacked
from tf_lottery.bindings.shared.transfer import check_same_layers
from tf_lottery.core.criteria import Criterion
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.prune import Scores
from tf_lottery.core.ticket import Ticket


def loss_gradient(model: Any, batch: Any) -> Criterion:
    """A criterion that scores |w * dL/dw|, see `tf_lottery.gradient`."""
    check_model(model)
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, tuple(batch))
    x, y, sample_weight = unpacked(tensors)
    model = built_for(model, tensors, 0)  # its weights are those of outcomes

    @functools.cache  # one copy for all rounds
    def copied(asked: tuple[str, ...]) -> tuple[Any, Live]:
        copy = masked_copy(model, 0, asked=asked)
        return copy, Live(copy)

    def weight_times_gradient(ticket: Ticket, outcome: Outcome) -> Scores:
        copy, live = copied(tuple(asked_for(ticket.masks)))
        check_same_layers(ticket, live)
        live.assign(outcome.weights, ticket.masks)

        def loss() -> Any:
            outputs = copy(x, training=False)
            return copy.compute_loss(x, y, outputs, sample_weight)

        gradients = backend.gradients(
            loss, copy.trainable_variables, keras.StatelessScope
        )
        of = dict(zip(map(id, copy.trainable_variables), gradients, strict=True))
        scores = {}
        for path in ticket.masks:
            weight = live.weights[path]
            gradient = keras.ops.convert_to_numpy(of[id(weight)])
            scores[path] = np.abs(array_of(weight) * gradient)
        return scores

    return weight_times_gradient
