"""The criterion that needs data: how much the loss depends on each weight."""

import functools
from typing import Any

from tf_lottery.bindings.shared.layers import asked_for
from tf_lottery.bindings.shared.transfer import check_same_layers
from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.checks import model as checks
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.models import built_for
from tf_lottery.bindings.tf_keras.tfmot.wrap import compile_like, wrap
from tf_lottery.core.criteria import Criterion
from tf_lottery.core.outcome import Outcome
from tf_lottery.core.prune import Scores
from tf_lottery.core.ticket import Ticket


def loss_gradient(model: Any, batch: Any) -> Criterion:
    """A criterion that scores |w * dL/dw|, see `tf_lottery.gradient`."""
    checks.check_model(model)
    tensors = tf.nest.map_structure(tf.convert_to_tensor, tuple(batch))
    x, y, sample_weight = (*tensors, None)[:3]
    model = built_for(model, tensors, 0)  # its weights are those of outcomes

    @functools.cache  # one copy for all rounds
    def wrapped(asked: tuple[str, ...]) -> tuple[Any, Live]:
        copy = wrap(model, asked=asked)
        compile_like(copy, model)
        return copy, Live(copy)

    def weight_times_gradient(ticket: Ticket, outcome: Outcome) -> Scores:
        copy, live = wrapped(tuple(asked_for(ticket.masks)))
        check_same_layers(ticket, live)
        live.assign(outcome.weights, ticket.masks)
        weights = [live.weights[path] for path in ticket.masks]
        with tf.GradientTape() as tape:
            outputs = copy(x, training=False)
            loss = copy.compute_loss(x, y, outputs, sample_weight)
        products = zip(weights, tape.gradient(loss, weights), strict=True)
        scores = [tf.abs(w * g).numpy() for w, g in products]
        return dict(zip(ticket.masks, scores, strict=True))

    return weight_times_gradient
