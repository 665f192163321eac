"""Plain models of Keras 3, as exports see them."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3._imports import backend, keras
from tf_lottery.bindings.keras3.data import examples
from tf_lottery.bindings.keras3.exporting import graph
from tf_lottery.bindings.keras3.exporting.plain import computes_in_half, plain
from tf_lottery.bindings.keras3.exporting.ports import Ports
from tf_lottery.bindings.keras3.layers import named_layers, named_weights, own_weights
from tf_lottery.bindings.parts import Compaction, Macs, Port
from tf_lottery.bindings.shared.exporting import keras_files
from tf_lottery.bindings.shared.exporting.compaction import compact
from tf_lottery.bindings.shared.exporting.macs import macs

_ADAPTED = (
    *(keras.layers.Discretization, keras.layers.IntegerLookup),
    *(keras.layers.StringLookup, keras.layers.TextVectorization),
)


class Network:
    """What exports ask a model, see `protocol.Network`."""

    backend = backend.IN_WORDS

    def __init__(self, model: Any) -> None:
        self._model = model
        self._ports = Ports(model)

    @property
    def is_graph(self) -> bool:
        return bool(self._model.built) and self._ports.are_known

    @property
    def inputs(self) -> tuple[Port, ...]:
        return self._ports.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        return self._ports.outputs

    @property
    def indices(self) -> int:
        found = named_layers(self._model).values()
        embeddings = [x for x in found if isinstance(x, keras.layers.Embedding)]
        return min((each.input_dim for each in embeddings), default=2)

    @property
    def variables(self) -> dict[str, Any]:
        return {path: each.value for path, each in named_weights(self._model).items()}

    @property
    def trackable(self) -> Any:
        return _of_tensorflow().trackable(self._model)

    @property
    def adapted(self) -> list[str]:
        return [
            f"{path!r} ({type(layer).__name__})"
            for path, layer in named_layers(self._model).items()
            if any(isinstance(part, _ADAPTED) for part in layer._flatten_layers())
        ]

    @property
    def in_half(self) -> bool:
        return any(map(computes_in_half, named_layers(self._model).values()))

    def call(self, *inputs: Any) -> list[Any]:
        outputs = self._model(self._ports.packed(inputs), training=False)
        return list(keras.tree.flatten(outputs))

    def compute(self, inputs: Any) -> list[Any]:
        return _arrays(self._compiled()(*map(keras.ops.convert_to_tensor, inputs)))

    def repeat(self, inputs: Any) -> Callable[[], Any]:
        compiled = self._compiled()
        tensors = list(map(keras.ops.convert_to_tensor, inputs))
        return lambda: _arrays(compiled(*tensors))

    def examples(self, data: Any, size: int) -> tuple[tuple[Any, ...], Any]:
        inputs, labels = examples(data, self.inputs, self._ports.keys, size)
        return inputs, labels

    def macs(self) -> Macs:
        if graph.is_functional(self._model):
            return macs(graph, self._model)
        layers = named_layers(self._model)
        return Macs(0, 0, tuple(path for path in layers if _has_matrix(layers[path])))

    def compacted(self, drop_inputs: bool) -> Compaction:
        if graph.is_functional(self._model):
            return compact(graph, plain(self._model), drop_inputs)
        if not self.is_graph:
            raise TypeError(
                "`model` must be a functional or Sequential Keras model that is "
                f"built. Received: {type(self._model).__name__}."
            )
        name = self._model.name
        left = {name: f"{type(self._model).__name__} computes by code of its own"}
        return Compaction(plain(self._model), {}, {}, {}, left)

    def save_dense(self, path: Path, signatures: Mapping[str, Any]) -> None:
        _of_tensorflow().save(self._model, path, signatures)

    def read_dense(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = _of_tensorflow().read(path)
        return found

    def save(self, path: Path) -> None:
        with keras_files.explained("write"):
            self._model.save(str(path))

    def load(
        self, path: Path, custom_objects: Mapping[str, Any] | None, safe_mode: bool
    ) -> Any:
        own = keras_files.own_classes(self._model)
        with keras_files.explained("read back"):
            return keras.models.load_model(
                str(path),
                custom_objects={**own, **(custom_objects or {})},
                safe_mode=safe_mode,
                compile=False,
            )

    def loading(self) -> list[str]:
        own = keras_files.own_classes(self._model)
        return keras_files.loading(keras_files.needed(keras, own))

    def lost(self) -> str:
        """A file holds the words and bins of all layers, those inside others too."""
        return ""

    def _compiled(self) -> Callable[..., Any]:
        compiled: Callable[..., Any] = backend.compiled(
            self.call, self._model.variables, keras.StatelessScope
        )
        return compiled


def by_name(custom_objects: Mapping[str, Any] | None = None) -> Any:
    """See `Binding.by_name`."""
    return keras.saving.custom_object_scope(dict(custom_objects or {}))


def _arrays(outputs: Any) -> list[Any]:
    return [np.array(keras.ops.convert_to_numpy(output)) for output in outputs]


def _has_matrix(layer: Any) -> bool:
    return any(len(weight.shape) > 1 for weight in own_weights(layer).values())


def _of_tensorflow() -> Any:
    return importlib.import_module("tf_lottery.bindings.keras3.exporting.tensorflow")
