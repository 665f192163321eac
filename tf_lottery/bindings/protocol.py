"""What a binding offers: all that a search needs of a Keras.

A binding is a package below `tf_lottery.bindings` whose names are those of `Binding`.
What trains, writes and reads searches knows these names, and no framework.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from tf_lottery.bindings.parts import (
    Compaction,
    Devices,
    Examples,
    Feed,
    Macs,
    Port,
    Searched,
)
from tf_lottery.core.criteria import Criterion
from tf_lottery.core.data import Data
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket


class Network(Protocol):
    """A plain model, as exports see it.

    Attributes:
        is_graph: Whether it is built, and Keras knows its inputs.
        inputs, outputs: Its inputs and outputs, flat.
        indices: Integers below it are rows of each embedding; 2 without embeddings.
        variables: TensorFlow's variables by path, where TensorFlow computes.
        trackable: What holds all that its `call` uses, for a SavedModel.
        adapted: Layers that were adapted to words or bins, in words.
        in_half: Whether layers compute in float16 or bfloat16.
        backend: What computes it, in words.
    """

    is_graph: bool
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    indices: int
    variables: dict[str, Any]
    trackable: Any
    adapted: list[str]
    in_half: bool
    backend: str

    def compute(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The flat outputs from flat arrays, in inference mode."""

    def repeat(self, inputs: Sequence[NDArray[Any]]) -> Callable[[], Any]:
        """A function that computes these inputs and waits for it, to be timed."""

    def call(self, *inputs: Any) -> list[Any]:
        """The flat outputs from flat tensors of TensorFlow, in inference mode."""

    def examples(self, data: Any, size: int) -> tuple[tuple[Any, ...], Any]:
        """The first examples of data: an array per input, and labels or None.

        Raises:
            ValueError, TypeError: The data do not fit the model.
        """

    def macs(self) -> Macs:
        """Its multiply-accumulates for one example."""

    def compacted(self, drop_inputs: bool) -> Compaction:
        """A smaller model that computes the same, see `tf_lottery.export.compact`."""

    def save_dense(self, path: Path, signatures: Mapping[str, Any]) -> None:
        """Writes a SavedModel, zeros stored; that of tf_keras holds its layers, too."""

    def read_dense(self, path: Path) -> dict[str, Any]:
        """The variables of such a SavedModel by name."""

    def save(self, path: Path) -> None:
        """Writes a `.keras` file."""

    def load(
        self, path: Path, custom_objects: Mapping[str, Any] | None, safe_mode: bool
    ) -> Any:
        """The model of a `.keras` file of this model, or of one like it."""

    def loading(self) -> list[str]:
        """How a `.keras` file of it is loaded, if that takes more than its path."""

    def lost(self) -> str:
        """What a `.keras` file of it lacks, and what to do; empty if nothing."""


class Binding(Protocol):
    """A Keras, as searches see it.

    Attributes:
        NAME: The name of its package, which architectures hold.
        PACKAGES: The packages whose versions identify a training.
        WRITES_TENSORFLOW: Whether TensorFlow computes its models, in this process, and
            writes them as SavedModels and TFLite files.
        keras: The Keras itself, for the networks of the zoo.
    """

    NAME: str
    WRITES_TENSORFLOW: bool
    PACKAGES: tuple[str, ...]
    keras: Any

    # What a user passed.

    def is_model(self, value: Any) -> bool:
        """Whether it is a model of this Keras."""

    def check_model(self, model: Any) -> None:
        """Raises unless the model can be searched."""

    def checked_callbacks(self, callbacks: Any) -> Any:
        """Callbacks as a list, or a function that returns them.

        Raises:
            TypeError, ValueError: Not Keras callbacks, or one that no search can have.
        """

    def check_use_no_other(self, callbacks: Sequence[Any], model: Any) -> None:
        """Raises if a callback uses the model that was passed, instead of its copy."""

    def warn_of_lost_counts(
        self, callbacks: Sequence[Any], step: int, path: Path
    ) -> None:
        """Warns of callbacks that start again where a training continues."""

    # Devices.

    def devices(self, strategy: Any, model: Any) -> Devices:
        """The devices of a search: those that are passed, or those of the model."""

    # Models.

    def called(self, model: Any, seed: int, devices: Devices | None) -> Any:
        """The model; a function is called under the seed, on the devices."""

    def built(self, model: Any, feed: Feed, seed: int) -> Any:
        """The model, or a copy of an unbuilt one with the shapes of the data."""

    def searched(
        self,
        model: Any,
        examples: Examples,
        plan: Plan,
        devices: Devices,
        callbacks: Any,
    ) -> Searched:
        """The copy that is searched; all is checked that must hold before training.

        Raises:
            TypeError, ValueError: A model or data that cannot be searched.
        """

    def compiled_copy(self, model: Any) -> Any:
        """A compiled copy of a model, without masks."""

    def lacks(self, ticket: Ticket, seed: int) -> str:
        """Why no model can be made of a ticket's file alone; empty if one can."""

    # Random draws.

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Everything random draws from the seed inside; states are put back after."""

    def redraw(self, model: Any) -> Any:
        """A copy of a model, drawn by its initialisers under the current seed."""

    def weights_of(self, model: Any) -> dict[str, Any]:
        """Copies of the weights and non-trainable variables by path."""

    def trainable(self, model: Any) -> set[str]:
        """The paths of the trainable weights."""

    def generators_of(
        self, model: Any, seed: int, devices: Devices | None
    ) -> dict[str, Any]:
        """The states of a model's random generators in a search of that seed."""

    def generator(self, seed: int) -> Any:
        """The state of one random generator under a seed."""

    # Data.

    def is_batches(self, value: Any) -> bool:
        """Whether it gives batches, and is not rows in memory."""

    def readable(self, value: Any, again: Callable[[], Any] | None) -> Any:
        """Data that were passed, in a form that can be read for each training.

        Batches that Python code makes become a `Source`. Rows in memory stay as they
        are, and so do datasets of `tf.data` where TensorFlow reads the data. `again`
        calls the function that returned the data, if one did.
        """

    def split(self, data: Data, fraction: float) -> Data:
        """Moves the last fraction of arrays into the validation data."""

    def feed(
        self,
        train: Any,
        plan: Plan,
        devices: Devices,
        class_weight: Mapping[int, float] | None,
        again: Callable[[], Any] | None,
    ) -> Feed:
        """The batches of training."""

    def evaluated(self, data: Data, plan: Plan, devices: Devices) -> dict[str, Any]:
        """Validation and test data, where given, by the prefix of their metrics."""

    def data_facts(self, examples: Examples) -> dict[str, dict[str, Any]]:
        """What is known of each part of the data, for `plan.json`."""

    def first_digests(self, examples: Examples) -> dict[str, str]:
        """A hash of the first batch of each part that gives batches, by its argument.

        Parts are left out whose first batch changes by reading, or from one training to
        the next.
        """

    def data_notes(self, examples: Examples, devices: Devices) -> list[str]:
        """What a user should know of the data before they are trained on."""

    def is_ordered_by_seed(self, train: Any) -> bool:
        """Whether the order of training data follows from the plan's seed alone."""

    def contents(self, data: Any) -> str:
        """A hash of the examples of validation or test data, in any order."""

    # What later rounds and users need.

    def loss_gradient(self, model: Any, batch: Any) -> Criterion:
        """A criterion that scores |w * dL/dw| of the trained weights on a batch."""

    def model(self, ticket: Ticket, weights: str, **options: Any) -> Any:
        """See `Ticket.model`, also for its options."""
        ...

    def apply(self, ticket: Ticket, model: Any, weights: str) -> Any:
        """See `Ticket.apply`."""
        ...

    def transfer(
        self, ticket: Ticket, model: Any, *, weights: bool, skip: Sequence[str]
    ) -> Ticket:
        """See `tf_lottery.transfer`."""

    def identity_of(self, model: Any, rates: Iterable[str]) -> list[Any]:
        """The configuration and weights of a compiled model, as plain values.

        `rates` are the names in `layer_rates`, which may ask for more than kernels.
        """

    # Exports.

    def strategy_in_scope(self) -> str:
        """The name of the strategy in whose scope this is called; empty if none."""

    def describe(self, model: Any) -> dict[str, Any] | None:
        """A model as plain values, an architecture of tickets; None if it has none."""

    def basis(
        self,
        ticket: Ticket,
        model: Any = None,
        *,
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool = True,
    ) -> Any:
        """A model like that of the ticket's search: the one passed, or a new one.

        Its weights are any; `custom_objects` and `safe_mode` are those of
        `Ticket.model`.

        Raises:
            TicketError: There is none, or it does not fit.
        """

    def plain(
        self, model: Any, weights: State | None = None, *, in_float32: bool = False
    ) -> Any:
        """An uncompiled copy without masks, with its own weights or those by path."""

    def onnx_writer(self) -> tuple[tuple[str, ...], Callable[[Any, Path], None]]:
        """The packages that ONNX files need, and what writes one of a plain model.

        Raises:
            ExportError: This Keras writes none, or its converter fails.
        """

    def masks_of(self, model: Any) -> Masks:
        """The masks of a masked model; of others, where their matrices are not zero."""

    def by_name(
        self, custom_objects: Mapping[str, Any] | None = None
    ) -> AbstractContextManager[None]:
        """Finds Keras' own layers, and others, by their names inside."""

    def network(self, model: Any) -> Network:
        """A plain model, as exports see it."""

    # The command line.

    def start(self) -> None:
        """Looks for devices; some frameworks then write to the standard error."""

    def under(self, dtype_policy: str | None) -> AbstractContextManager[None]:
        """Models made inside have a dtype policy; with None, the one that is set."""

    def first_batches(self, data: Any, number: int, batch_size: int | None) -> Any:
        """The first batches of data in any form; None of None."""
