"""The graph of a functional model, as exports see it in every Keras.

`interpret` runs a function on each call: one function follows units through a network,
another builds the network again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from tf_lottery.bindings.shared.rows import leaves


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        layer: The layer, or an operation that is none.
        path: Its name, after the names of the nested models around it.
        outputs: The symbolic tensors that it returned.
        args, kwargs: Its arguments, with values in the place of tensors.
    """

    layer: Any
    path: str
    outputs: Sequence[Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def taken(self) -> list[Any]:
        """What it takes, flat, without the mode and the mask of steps."""
        apart = ("training", "mask")
        others = {n: value for n, value in self.kwargs.items() if n not in apart}
        return list(leaves((self.args, others)))

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape of its first output."""
        return shape_of(self.outputs[0]) or ()


class Graphs(Protocol):
    """How a Keras makes and reads the graphs of its models.

    Attributes:
        LAYERS: The module of Keras' own layers.
        ELEMENTWISE: Modules of functions, of which those with the names of activations
            treat each unit alone.
    """

    LAYERS: Any
    ELEMENTWISE: Sequence[Any]

    def interpret(
        self, model: Any, inputs: Sequence[Any], apply: Callable[[Call], Any]
    ) -> list[Any]:
        """The values of a model's outputs, computed call by call from its inputs'.

        `apply` takes a call, and returns the value or the values of its outputs.
        """

    def array(self, value: Any) -> NDArray[Any]:
        """What a variable or a tensor holds."""

    def tensor(self, array: NDArray[Any]) -> Any:
        """A tensor of these values."""

    def own_weights(self, layer: Any) -> Mapping[str, Any]:
        """The variables of a layer by name."""

    def is_dense(self, tensor: Any) -> bool:
        """Whether a symbolic tensor is neither sparse nor ragged."""

    def gathered(self, tensor: Any, features: Sequence[int]) -> Any:
        """Some features of a symbolic tensor, which are positions of its last axis."""

    def new_inputs(self, model: Any) -> list[Any]:
        """New symbolic inputs that are like those of a model."""

    def copied(self, layer: Any, name: str, changes: Mapping[str, Any]) -> Any:
        """A layer like another, with changes of its configuration.

        Its weights are set when it has been called.
        """

    def built(self, like: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """A model of new inputs and outputs, in the structures that another has."""


def shape_of(tensor: Any) -> tuple[int | None, ...] | None:
    """The shape of a symbolic tensor; None if its rank is open."""
    shape = tensor.shape
    return None if getattr(shape, "rank", 0) is None else tuple(shape)


def kind_of(graphs: Graphs, layer: Any) -> str:
    """The name of a layer's class if it is one of Keras' own layers; else empty.

    Not of a subclass, which may compute anything.
    """
    name = type(layer).__name__
    return name if getattr(graphs.LAYERS, name, None) is type(layer) else ""
