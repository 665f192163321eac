"""Exact compaction: a smaller network that computes the same."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tf_lottery.bindings.parts import Compaction
from tf_lottery.bindings.shared.exporting import kernels, units
from tf_lottery.bindings.shared.exporting.graphs import Call, Graphs, kind_of
from tf_lottery.bindings.shared.exporting.unit_rules import Floats
from tf_lottery.core.naming import unique


def compact(graphs: Graphs, plain: Any, drop_inputs: bool) -> Compaction:
    """Removes the units that do nothing of a plain graph that nobody else has."""
    analysis = units.analyse(graphs, plain)
    builder = _Builder(graphs, analysis, drop_inputs)
    dead = _removed(analysis, varies=True)
    constant = _removed(analysis, varies=False)
    if dead or constant or drop_inputs:
        plain = builder.build(plain)
    return Compaction(plain, dead, constant, builder.dropped, dict(analysis.left))


def _removed(analysis: units.Analysis, *, varies: bool) -> dict[str, int]:
    """How many units were removed by layer path: those that vary, or the others."""
    counts = {}
    for kernel in analysis.kernels.values():
        removed = ~analysis.keeps(kernel.after)
        alike = np.isnan(kernel.after.constants) == varies
        counts[kernel.path] = int(np.count_nonzero(removed & alike))
    return {path: count for path, count in counts.items() if count}


class _Builder:
    """Builds a model again, with only the units that are needed."""

    def __init__(
        self, graphs: Graphs, analysis: units.Analysis, drop_inputs: bool
    ) -> None:
        self.dropped: dict[str, int] = {}
        self._graphs = graphs
        self._analysis = analysis
        self._drop_inputs = drop_inputs
        made = [kernel.after.numbers for kernel in analysis.kernels.values()]
        self._made = np.concatenate([*made, np.zeros(0, int)])
        self._layers: dict[int, Any] = {}
        self._names: set[str] = set()

    def build(self, model: Any) -> Any:
        self._names = {layer.name for layer in model.layers}
        inputs = self._graphs.new_inputs(model)
        outputs = self._graphs.interpret(model, inputs, self._call)
        return self._graphs.built(model, inputs, outputs)

    def _call(self, call: Call) -> Any:
        layer, changes = call.layer, dict[str, Any]()
        if kernel := self._analysis.kernels.get(id(layer)):
            return self._kernel(call, kernel)
        weights = list(map(self._graphs.array, getattr(layer, "weights", ())))
        if alone := self._analysis.alone.get(id(layer)):
            before, after = map(self._analysis.keeps, alone)
            weights = [
                weight[after] if weight.ndim == 1 else weight[..., before, :]
                for weight in weights
            ]
            changes = _any_initializers(layer)
        if id(layer) not in self._layers:
            copied = self._graphs.copied(layer, self._name(call), changes)
            self._layers[id(layer)] = copied
        copied = self._layers[id(layer)]
        outputs = copied(*call.args, **call.kwargs)
        if copied is not layer:
            copied.set_weights(weights)
        return outputs

    def _kernel(self, call: Call, kernel: units.Kernel) -> Any:
        graphs, layer, keeps = self._graphs, call.layer, self._analysis.keeps
        before, after = keeps(kernel.before), keeps(kernel.after)
        folds = np.where(kernel.foldable & ~before, kernel.before.constants, 0)
        bias = kernels.folded(graphs, layer, folds)[after]
        weights = kernels.selected(kernels.kernels_of(graphs, layer), before, after)
        (tensor,) = call.taken
        if self._drop_inputs:
            outer = ~np.isin(kernel.before.numbers[before], self._made)
            tensor, weights = self._gather(call.path, tensor, weights, outer)
        size = "units" if kind_of(graphs, layer) == "Dense" else "filters"
        use_bias = layer.use_bias or bool(bias.any())
        changes = _any_initializers(layer) | {size: len(bias), "use_bias": use_bias}
        copied = graphs.copied(layer, self._name(call), changes)
        outputs = copied(tensor)
        copied.set_weights([*weights, bias] if use_bias else weights)
        return outputs

    def _gather(
        self, path: str, tensor: Any, weights: list[Floats], outer: NDArray[np.bool_]
    ) -> tuple[Any, list[Floats]]:
        """The features that a weight of the layer uses, and their weights.

        `outer` says which features come from where no units can be removed.
        """
        stays = kernels.uses(weights).any(axis=1) | ~outer
        # A gather takes no sparse tensor, and loses which steps are masked.
        dense = self._graphs.is_dense(tensor)
        masked = getattr(tensor, "_keras_mask", None) is not None
        if stays.all() or not stays.any() or masked or not dense:
            return tensor, weights
        self.dropped[path] = int(np.count_nonzero(~stays))
        features = np.flatnonzero(stays).tolist()
        gathered = self._graphs.gathered(tensor, features)
        return gathered, kernels.selected(weights, stays)

    def _name(self, call: Call) -> str:
        """A nested layer is named after its path; the others keep their names."""
        if call.layer.name == call.path:
            return call.path
        name = unique(call.path.replace("/", "_"), self._names)
        self._names.add(name)
        return name


def _any_initializers(layer: Any) -> dict[str, Any]:
    """Initializers for the config of a layer: its own may be for another size."""
    names = [key for key in layer.get_config() if key.endswith("_initializer")]
    return dict.fromkeys(names, "zeros")
