"""Plain models of tf_keras, as exports see them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tf_lottery.bindings.parts import Compaction, Macs, Port
from tf_lottery.bindings.shared.exporting import keras_files
from tf_lottery.bindings.shared.exporting.compaction import compact
from tf_lottery.bindings.shared.exporting.macs import macs
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.copying.adapted import adapted_inside, adapted_layers
from tf_lottery.bindings.tf_keras.copying.by_name import not_found
from tf_lottery.bindings.tf_keras.copying.copier import copied_by_config
from tf_lottery.bindings.tf_keras.exporting import graph
from tf_lottery.bindings.tf_keras.layers import finalize, named_layers, named_weights
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.tfmot.wrap import computes_in_half, unwrap, wrappers
from tf_lottery.bindings.tf_shared import running
from tf_lottery.bindings.tf_shared.data.examples import examples
from tf_lottery.core.errors import ExportError
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State
from tf_lottery.core.words import quiet


class Network:
    """What exports ask a model, see `protocol.Network`."""

    backend = running.BACKEND

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def is_graph(self) -> bool:
        return bool(self._model.built) and graph.is_functional(self._model)

    @property
    def inputs(self) -> tuple[Port, ...]:
        return _ports(self._model.input_names, self._model.inputs)

    @property
    def outputs(self) -> tuple[Port, ...]:
        return _ports(self._model.output_names, self._model.outputs)

    @property
    def indices(self) -> int:
        found = named_layers(self._model).values()
        embeddings = [x for x in found if isinstance(x, keras.layers.Embedding)]
        return min((each.input_dim for each in embeddings), default=2)

    @property
    def variables(self) -> dict[str, Any]:
        return named_weights(self._model)

    @property
    def trackable(self) -> Any:
        return self._model

    @property
    def adapted(self) -> list[str]:
        return adapted_layers(self._model)

    @property
    def in_half(self) -> bool:
        return any(map(computes_in_half, named_layers(self._model).values()))

    @functools.cached_property
    def _function(self) -> Any:
        return tf.function(self.call, autograph=False)

    def compute(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        return running.compute(self._function, inputs)

    def repeat(self, inputs: Sequence[NDArray[Any]]) -> Callable[[], Any]:
        return running.repeat(self._function, inputs)

    def call(self, *inputs: Any) -> list[Any]:
        packed = tf.nest.pack_sequence_as(self._model.input, list(inputs))
        return list(tf.nest.flatten(self._model(packed, training=False)))

    def examples(self, data: Any, size: int) -> tuple[tuple[Any, ...], Any]:
        # By the keys that the model was built with, or by its names, as Keras does.
        by_key = isinstance(self._model.input, dict)
        keys = sorted(self._model.input) if by_key else self._model.input_names
        return examples(data, self.inputs, keys, size)

    def macs(self) -> Macs:
        return macs(graph, self._model)

    def compacted(self, drop_inputs: bool) -> Compaction:
        if not graph.is_functional(self._model):
            raise TypeError(
                "`model` must be a functional or Sequential tf_keras model that is "
                f"built. Received: {type(self._model).__name__}."
            )
        return compact(graph, unwrap(self._model), drop_inputs)

    def save_dense(self, path: Path, signatures: Mapping[str, Any]) -> None:
        with quiet():
            self._model.save(
                str(path),
                save_format="tf",
                include_optimizer=False,
                signatures=signatures,
            )

    def read_dense(self, path: Path) -> dict[str, Any]:
        variables = tf.saved_model.load(str(path)).variables
        found = (v for v in variables if v is not None)  # a lookup's vocabulary
        return {v.name.split(":")[0]: v for v in found}

    def save(self, path: Path) -> None:
        with keras_files.explained("write"):
            self._model.save(str(path), save_format="keras")

    def load(
        self, path: Path, custom_objects: Mapping[str, Any] | None, safe_mode: bool
    ) -> Any:
        found = {
            **not_found(),
            **keras_files.own_classes(self._model),
            **(custom_objects or {}),
        }
        with keras_files.explained("read back"):
            return keras.models.load_model(
                str(path),
                custom_objects=found,
                safe_mode=safe_mode,
                compile=False,
            )

    def loading(self) -> list[str]:
        used = {type(part).__name__ for part in self._model._flatten_layers()}
        needed = [
            f'"{name}": {found.__module__.split(".")[0]}.layers.{name}'
            for name, found in not_found().items()
            if name in used
        ]
        own = keras_files.own_classes(self._model)
        return keras_files.loading([*needed, *keras_files.needed(keras, own)])

    def lost(self) -> str:
        # Of layers inside a layer Keras writes the words, but neither weights nor bins.
        for path, layer in named_layers(self._model).items():
            adapted = adapted_inside(layer)
            if adapted and adapted_inside(copied_by_config("layer", layer)) != adapted:
                return (
                    "The configuration of a layer, which a .keras file holds, must "
                    "have what layers inside it were adapted to. Received: "
                    f"{path!r} ({type(layer).__name__}), whose `get_config()` lacks "
                    f"that of {', '.join(repr(name.rstrip('/')) for name in adapted)}. "
                    "Make the inner layer a layer of the model, or export it with "
                    'format="saved_model", layout="dense".'
                )
        return ""


def plain(model: Any, weights: State | None = None, *, in_float32: bool = False) -> Any:
    """See `protocol.Binding`."""
    copied = unwrap(model, in_float32)
    if weights is not None:
        for path, weight in named_weights(copied).items():
            weight.assign(weights[path])
        finalize(copied)
    return copied


def onnx_writer() -> Any:
    """See `Binding.onnx_writer`: tf_keras has none."""
    raise ExportError(
        "An ONNX file must be of a Keras 3 model, which Keras itself writes. Received: "
        'a tf_keras model. Export it with format="tflite" or "saved_model", or search '
        "a model of Keras 3."
    )


def masks_of(model: Any) -> Masks:
    """See `protocol.Binding`."""
    if wrappers(model):
        return Masks(Live(model).replica_masks()[0])
    return Masks(
        {
            path: weight.numpy() != 0
            for path, weight in named_weights(model).items()
            if len(weight.shape) > 1 and weight.dtype.is_floating
        }
    )


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
