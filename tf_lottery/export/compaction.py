"""Exact compaction: a smaller network that computes the same.

Dead units have no surviving outgoing weight; constant ones no surviving incoming
weight. Real tickets have both, and removing them is free of error, but for the
order in which the rest is added up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery._keras import keras, tf
from tf_lottery.export import units
from tf_lottery.export.graph import Call, interpret, is_functional
from tf_lottery.pruning.wrap import unwrap


@dataclass(frozen=True)
class Compaction:
    """A compacted model, and what was removed of it.

    Attributes:
        model: A plain, uncompiled Keras model with the same outputs.
        dead: Removed units by layer path that nothing used.
        constant: Removed units by layer path that never varied; the next layer's
            bias holds what they contributed.
        inputs: By layer path, how many of its inputs a gather drops.
        left: Layers that keep all of their units, by path, and why.
    """

    model: Any
    dead: Mapping[str, int]
    constant: Mapping[str, int]
    inputs: Mapping[str, int]
    left: Mapping[str, str]

    @property
    def removed(self) -> int:
        """How many units were removed."""
        return sum(self.dead.values()) + sum(self.constant.values())


def compact(model: Any, *, drop_inputs: bool = False) -> Compaction:
    """Removes the units that do nothing, exactly.

    Followed are Dense, Conv1D to Conv3D, BatchNormalization, activations, dropout,
    pooling, zero padding, Flatten, Concatenate, residual Add and the other merging
    layers, in nested models too. What else there is keeps its units.

    Args:
        model: A functional or Sequential model: plain, or of `ticket.model()`.
        drop_inputs: Whether features of the model's inputs that no weight uses are
            dropped by a gather. Without it the arithmetic is in the same order.

    Returns:
        The smaller model; `model` is not changed.

    Raises:
        TypeError: Not a functional or Sequential model.

    Example:
        ```python
        compaction = tf_lottery.export.compact(tf_lottery.export.strip(ticket))
        print(compaction.dead)
        ```
    """
    if not is_functional(model):
        raise TypeError(
            "What is compacted must be a functional or Sequential tf_keras model. "
            f"Received: {type(model).__name__}."
        )
    plain = unwrap(model)
    analysis = units.analyse(plain)
    builder = _Builder(analysis, drop_inputs)
    if any(not analysis.keeps(k.after).all() for k in analysis.kernels.values()) or (
        drop_inputs
    ):
        plain = builder.build(plain)
    return Compaction(
        model=plain,
        dead=_counts(analysis, lambda constants: np.isnan(constants)),
        constant=_counts(analysis, lambda constants: ~np.isnan(constants)),
        inputs=builder.dropped,
        left=dict(analysis.left),
    )


def _counts(
    analysis: units.Analysis, select: Callable[[units.Floats], Any]
) -> dict[str, int]:
    """The number of removed units by layer path, of those that are selected."""
    counts = {
        path: np.count_nonzero(
            ~analysis.keeps(kernel.after) & select(kernel.after.constants)
        )
        for path, kernel in analysis.kernels.items()
    }
    return {path: int(count) for path, count in counts.items() if count}


class _Builder:
    """Builds a model again with the units that are needed."""

    def __init__(self, analysis: units.Analysis, drop_inputs: bool) -> None:
        self.dropped: dict[str, int] = {}
        self._analysis = analysis
        self._drop_inputs = drop_inputs
        self._layers: dict[int, Any] = {}

    def build(self, model: Any) -> Any:
        inputs = [
            keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
            for tensor, name in zip(model.inputs, model.input_names, strict=True)
        ]
        outputs = interpret(model, inputs, self._call)
        built = keras.Model(
            tf.nest.pack_sequence_as(model.input, inputs),
            tf.nest.pack_sequence_as(model.output, outputs),
            name=model.name,
        )
        built.output_names = list(model.output_names)
        return built

    def _call(self, call: Call) -> Any:
        if call.path in self._analysis.kernels:
            return self._kernel(call, self._analysis.kernels[call.path])
        copied = self._layers.get(id(call.layer)) or _copy(call)
        self._layers[id(call.layer)] = copied
        outputs = copied(*call.args, **call.kwargs)
        weights = call.layer.get_weights()
        if call.path in self._analysis.norms:
            keeps = self._analysis.keeps(self._analysis.norms[call.path])
            weights = [weight[keeps] for weight in weights]
        copied.set_weights(weights)
        return outputs

    def _kernel(self, call: Call, kernel: units.Kernel) -> Any:
        before, after = (
            self._analysis.keeps(each) for each in (kernel.before, kernel.after)
        )
        weights = call.layer.kernel.numpy()
        folds = np.where(kernel.foldable & ~before, kernel.before.constants, 0)
        bias = units.folded(weights.reshape(-1, *weights.shape[-2:]), folds)
        if call.layer.use_bias:
            bias = bias + call.layer.bias.numpy()
        weights, bias = weights[..., before, :][..., after], bias[after]

        (tensor,) = tf.nest.flatten(call.args)
        if self._drop_inputs:
            tensor, weights = self._gather(call.path, tensor, weights)
        size = "units" if isinstance(call.layer, keras.layers.Dense) else "filters"
        use_bias = call.layer.use_bias or bool(bias.any())
        copied = _copy(call, **{size: int(after.sum()), "use_bias": use_bias})
        outputs = copied(tensor)
        copied.set_weights([weights, bias] if use_bias else [weights])
        return outputs

    def _gather(self, path: str, tensor: Any, weights: Any) -> tuple[Any, Any]:
        """The features of a tensor that a weight uses, and the weights of these."""
        used = weights.reshape(-1, *weights.shape[-2:]).any(axis=(0, 2))
        if used.all() or not used.any():
            return tensor, weights
        self.dropped[path] = int(np.count_nonzero(~used))
        features = np.flatnonzero(used).tolist()
        return tf.gather(tensor, features, axis=-1), weights[..., used, :]


def _copy(call: Call, **changes: Any) -> Any:
    config = call.layer.get_config() | changes
    config["name"] = call.path.replace("/", "_")
    return type(call.layer).from_config(config)
