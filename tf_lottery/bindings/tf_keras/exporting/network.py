"""A plain model of tf_keras as exports see it, see `protocol.Network`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf_lottery.bindings.parts import Compaction, Macs, Port
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.copying.adapted import adapted_layers
from tf_lottery.bindings.tf_keras.exporting import keras_file
from tf_lottery.bindings.tf_keras.exporting.compaction import compact
from tf_lottery.bindings.tf_keras.exporting.examples import examples
from tf_lottery.bindings.tf_keras.exporting.graph import is_functional
from tf_lottery.bindings.tf_keras.exporting.macs import macs
from tf_lottery.bindings.tf_keras.layers import named_layers, named_weights
from tf_lottery.bindings.tf_keras.tfmot.wrap import computes_in_half
from tf_lottery.core.words import quiet


class Network:
    """What exports ask a model, see `protocol.Network`."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def is_graph(self) -> bool:
        """Whether Keras knows all calls of its layers."""
        return bool(self._model.built) and is_functional(self._model)

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Its inputs, flat."""
        return _ports(self._model.input_names, self._model.inputs)

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Its outputs, flat."""
        return _ports(self._model.output_names, self._model.outputs)

    @property
    def indices(self) -> int:
        """How many rows the smallest embedding has; 2 without any."""
        embeddings = [
            layer.input_dim
            for layer in named_layers(self._model).values()
            if isinstance(layer, keras.layers.Embedding)
        ]
        return min(embeddings, default=2)

    @property
    def variables(self) -> dict[str, Any]:
        """The variables by path."""
        return named_weights(self._model)

    @property
    def adapted(self) -> list[str]:
        """Layers that hold words or bins, in words."""
        return adapted_layers(self._model)

    @property
    def in_half(self) -> bool:
        """Whether layers compute in float16 or bfloat16."""
        return any(map(computes_in_half, named_layers(self._model).values()))

    def call(self, *inputs: Any) -> list[Any]:
        """The flat outputs from flat inputs, in inference mode."""
        packed = tf.nest.pack_sequence_as(self._model.input, list(inputs))
        return list(tf.nest.flatten(self._model(packed, training=False)))

    def examples(self, data: Any, size: int) -> tuple[tuple[Any, ...], Any]:
        """The first examples of data, see `examples`."""
        return examples(data, self._model, size)

    def macs(self) -> Macs:
        """Its multiply-accumulates, see `macs`."""
        return macs(self._model)

    def compacted(self, drop_inputs: bool) -> Compaction:
        """A smaller model that computes the same, see `compact`."""
        return compact(self._model, drop_inputs=drop_inputs)

    def save_dense(self, path: Path, signatures: Mapping[str, Any]) -> None:
        """Writes a SavedModel with the layers, which Keras loads."""
        with quiet():
            self._model.save(
                str(path),
                save_format="tf",
                include_optimizer=False,
                signatures=signatures,
            )

    def save(self, path: Path) -> None:
        """Writes a `.keras` file."""
        keras_file.save(self._model, path)

    def load(
        self, path: Path, custom_objects: Mapping[str, Any] | None, safe_mode: bool
    ) -> Any:
        """The model of a `.keras` file of this model, or of one like it."""
        return keras_file.load(path, self._model, custom_objects or {}, safe_mode)

    def loading(self) -> list[str]:
        """How a `.keras` file of it is loaded, if that takes more than its path."""
        return keras_file.loading(self._model)

    def lost(self) -> str:
        """What a `.keras` file of it lacks, and what to do; empty if nothing."""
        return keras_file.lost(self._model)


def _ports(names: list[str], tensors: list[Any]) -> tuple[Port, ...]:
    return tuple(
        Port(
            name,
            tuple(tensor.shape),
            tensor.dtype.name,
            isinstance(tensor.type_spec, tf.SparseTensorSpec),
        )
        for name, tensor in zip(names, tensors, strict=True)
    )
