"""The inputs and outputs of a model, flat, in the structures that it takes."""

from collections.abc import Sequence
from typing import Any

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.exporting.graph import graph_of
from tf_lottery.bindings.parts import Port
from tf_lottery.core.errors import ExportError
from tf_lottery.core.naming import unique


class Ports:
    """What goes into a model and comes out of it.

    Of a subclassed model these are the shapes by which it was built.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._graph = graph_of(model)

    @property
    def are_known(self) -> bool:
        """Whether they can be told."""
        return self._graph is not None or self._shapes is not None

    @property
    def inputs(self) -> tuple[Port, ...]:
        """See `protocol.Network`."""
        tensors = keras.tree.flatten(self.struct)
        return tuple(
            Port(name, tuple(each.shape), str(each.dtype), bool(each.sparse))
            for name, each in zip(self._names, tensors, strict=True)
        )

    @property
    def outputs(self) -> tuple[Port, ...]:
        """See `protocol.Network`."""
        if self._graph is not None:
            tensors, given = self._graph.outputs, self._graph.output_names
        else:
            found = self._model.compute_output_spec(self.struct)
            tensors = keras.tree.flatten(found)
            given = ["output"] * len(tensors)
        names: dict[str, None] = {}
        for name in given:
            names[unique(name, names)] = None
        return tuple(
            Port(name, tuple(each.shape), str(each.dtype))
            for name, each in zip(names, tensors, strict=True)
        )

    @property
    def keys(self) -> list[str]:
        """What the inputs are called in a dict, in the order of `inputs`."""
        by_key = isinstance(self.struct, dict)
        return sorted(self.struct) if by_key else self._names

    def packed(self, inputs: Sequence[Any]) -> Any:
        """Flat inputs as the model takes them."""
        return keras.tree.pack_sequence_as(self.struct, list(inputs))

    @property
    def struct(self) -> Any:
        """Tensors without values that stand for the inputs, as the model takes them."""
        if self._graph is not None:
            return self._graph._inputs_struct
        if (shapes := self._shapes) is None:
            raise ExportError(
                "The shapes of a model's inputs must be known to export it. Received: "
                f"{self._model.name!r} ({type(self._model).__name__}), a subclassed "
                "model whose `call` takes several arguments, or that was not called "
                "yet. Let it take one argument, a tensor or a list or dict of them, "
                "and call it on a batch."
            )
        dtype = self._model.input_dtype
        return _plain(
            keras.tree.map_shape_structure(
                lambda shape: keras.KerasTensor((None, *shape[1:]), dtype), shapes
            )
        )

    @property
    def _shapes(self) -> Any:
        """The shapes that a subclassed model was built by; None if it is not clear."""
        shapes = self._model._build_shapes_dict or {}
        return next(iter(shapes.values())) if len(shapes) == 1 else None

    @property
    def _names(self) -> list[str]:
        tensors = keras.tree.flatten(self.struct)
        if self._graph is not None:
            return [each._keras_history.operation.name for each in tensors]
        if isinstance(self.struct, dict):
            return sorted(self.struct)
        names: dict[str, None] = {}
        for _ in tensors:
            names[unique("inputs", names)] = None
        return list(names)


def _plain(struct: Any) -> Any:
    """Dicts and lists of Python: JAX does not know those by which Keras tracks."""
    if isinstance(struct, dict):
        return {key: _plain(value) for key, value in struct.items()}
    if isinstance(struct, list):
        return [*map(_plain, struct)]
    return struct
