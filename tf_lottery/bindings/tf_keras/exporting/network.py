"""Plain models of tf_keras, as exports see them."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tf_lottery.bindings.parts import Compaction, Macs, Port
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.copying.adapted import adapted_inside, adapted_layers
from tf_lottery.bindings.tf_keras.copying.by_name import not_found, own_classes
from tf_lottery.bindings.tf_keras.copying.copier import copied_by_config
from tf_lottery.bindings.tf_keras.exporting.compaction import compact
from tf_lottery.bindings.tf_keras.exporting.examples import examples
from tf_lottery.bindings.tf_keras.exporting.graph import is_functional
from tf_lottery.bindings.tf_keras.exporting.macs import macs
from tf_lottery.bindings.tf_keras.layers import finalize, named_layers, named_weights
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.tfmot.wrap import computes_in_half, unwrap, wrappers
from tf_lottery.bindings.tf_shared import running
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
        return bool(self._model.built) and is_functional(self._model)

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
        return examples(data, self._model, size)

    def macs(self) -> Macs:
        return macs(self._model)

    def compacted(self, drop_inputs: bool) -> Compaction:
        return compact(self._model, drop_inputs=drop_inputs)

    def save_dense(self, path: Path, signatures: Mapping[str, Any]) -> None:
        with quiet():
            self._model.save(
                str(path),
                save_format="tf",
                include_optimizer=False,
                signatures=signatures,
            )

    def save(self, path: Path) -> None:
        with _explained("write"):
            self._model.save(str(path), save_format="keras")

    def load(
        self, path: Path, custom_objects: Mapping[str, Any] | None, safe_mode: bool
    ) -> Any:
        found = {**not_found(), **own_classes(self._model), **(custom_objects or {})}
        with _explained("read back"):
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
        needed += [
            f'"{name}": {kind.__module__}.{kind.__qualname__}'
            for name, kind in own_classes(self._model).items()
            if keras.saving.get_registered_name(kind) == name  # it is not registered
        ]
        if not needed:
            return []
        return [
            "Keras does not find all layers by their names: load this file with "
            f"`custom_objects={{{', '.join(needed)}}}`."
        ]

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


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # layers raise whatever they like
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise ExportError(
            f"Keras must be able to {what} a .keras file of this model, and cannot: "
            f"{said}. Pass your own classes and functions as "
            '`custom_objects={"Name": Name}`, or export it with format="saved_model".'
        ) from error
