"""The parts of a binding: devices, batches, an engine, variables, facts of exports."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from tf_lottery.core.data import Data
from tf_lottery.core.masks import Masks
from tf_lottery.core.outcome import State, Weights

Logs = dict[str, float]


class Processes(Protocol):
    """The processes that train together.

    Attributes:
        count: How many there are.
        index: The number of this one; 0 is the chief.
        replicas: How many copies of the model all of them have.
        local: How many of these are in this process.
        lost: The errors that a process gets if another one fails.
    """

    count: int
    index: int
    replicas: int
    local: int
    lost: tuple[type[BaseException], ...]

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """The sum over all processes of one array of each, int64."""


class Devices(Protocol):
    """What a search trains on.

    Attributes:
        on_cpu: Whether all devices are CPUs, which give equal bits each time.
        processes: The processes that train together.
    """

    on_cpu: bool
    processes: Processes

    def scope(self) -> AbstractContextManager[Any]:
        """Where variables are made and steps are taken."""

    def in_words(self) -> str:
        """Their kind and number, for a user."""


class Batches(Protocol):
    """The training batches of one training, which can be opened at its steps."""

    def open(self, step: int) -> Iterator[Any]:
        """An iterator whose first batch is that of `step`; steps never decrease."""


class Feed(Protocol):
    """Training batches, whatever form the data came in.

    Attributes:
        steps_per_epoch: Optimizer steps per epoch.
        pass_length: Steps until an iterator ends; None if it never does.
        spec: The shapes and types of a batch.
        example_spec: The same for the first batch, of which more may be known.
        repeatable: Whether each training gets the same batches, in each process.
        note: What the form of the data means for resuming and repeating a search.
        ended: The errors that say that a batch is missing.
    """

    steps_per_epoch: int
    pass_length: int | None
    spec: Any
    example_spec: Any
    repeatable: bool
    note: str
    ended: tuple[type[BaseException], ...]

    def begin(self) -> Batches:
        """The batches of a training, from the beginning of the data."""

    def missing(self, error: BaseException, step: int, what: str) -> Exception | None:
        """What to raise for an error of `ended` after a step; None if it is another.

        `what` is trained, in words.
        """

    def check_end(self, batches: Iterator[Any], step: int, what: str) -> None:
        """Raises unless a pass whose length was promised is at its end."""


class Names:
    """What metrics are called: by the model, and in records.

    Args:
        names: From the names of the model to those of records.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._recorded = names
        self._shown = {recorded: name for name, recorded in names.items()}

    def recorded(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        """The logs by the names that records have."""
        return _renamed(logs, self._recorded)

    def shown(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        """Recorded logs by the names that callbacks see."""
        return _renamed(logs, self._shown)


class Engine(Protocol):
    """Takes optimizer steps of a compiled model, and evaluates it.

    Attributes:
        model: The Keras model.
        names: What its metrics are called; they must be made.
        group: The most steps of one call.
        least: The steps that a call takes at least, while their time is unknown.
        errors: What the framework raises where data or a step fail.
    """

    model: Any
    group: int
    least: int
    errors: tuple[type[BaseException], ...]

    @property
    def names(self) -> Names: ...

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics in records; the first decides by default."""

    @property
    def stopped(self) -> bool:
        """Whether a callback asked to end the training."""

    @property
    def steps(self) -> int:
        """The steps that the model counted, those of `begin` included."""

    @property
    def traces(self) -> int:
        """How often the training step was traced."""

    def begin(self, step: int) -> None:
        """Begins a training at a step."""

    def begin_epoch(self) -> None:
        """Resets the metrics."""

    def train(self, batches: Iterator[Any], size: int) -> Logs:
        """Takes exactly `size` optimizer steps; returns the metrics of the epoch."""

    def evaluate(self, data: Any, size: int, callbacks: Any) -> tuple[Logs, int]:
        """The metrics on data, and how many batches they have.

        A training is not affected by it. `size` is the most batches of one call.
        """

    def callback_list(self, callbacks: Sequence[Any], epochs: int, steps: int) -> Any:
        """Keras' list of callbacks, which also keeps `model.history`."""

    def finalize(self) -> bool:
        """Does what Keras does to weights at the end of `fit`; whether it did anything.

        Keras' averages of weights (`use_ema`) take the place of the weights.
        """


class Faults(NamedTuple):
    """What does not hold of a ticket in a live model.

    Attributes:
        changed: The paths of weights whose masks differ from those that were assigned.
        leaking: The paths of weights that are pruned, but not zero.
    """

    changed: list[str]
    leaking: list[str]


class Live(Protocol):
    """The variables of a model by name, and how tickets get in and out."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the prunable weights, by path."""

    def read(self) -> State:
        """A copy of everything."""

    def view(self) -> State:
        """Everything, read when it is asked for; it changes with the next step."""

    def read_weights(self) -> Weights:
        """A copy of the weights and non-trainable variables by path."""

    def view_weights(self) -> Weights:
        """The same, read when they are asked for."""

    def assign(self, state: State, masks: Masks) -> None:
        """Sets variables and masks, and reads them back; pruned weights become +0.0.

        Raises:
            TicketError: A state or masks of another model.
            InvariantError: A variable that does not hold what was assigned.
        """

    def faults(self) -> Faults:
        """What does not hold of masks and pruned weights."""

    def replica_masks(self) -> list[dict[str, Any]]:
        """The masks on each replica of this process."""

    def average(self) -> None:
        """Gives all replicas the mean of what each has for itself."""


class Lanes(Protocol):
    """Trains tickets of one model side by side, in one program."""

    def most(self) -> int:
        """The most trainings that fit on the devices."""

    def fits(self, examples: "Examples") -> bool:
        """Whether all data are rows in memory that can stay on the device."""

    def seconds(self, examples: "Examples", width: int) -> float:
        """How long a step of so many trainings takes, once it is compiled."""

    def run(self, tasks: Iterable[Iterator[Any]], width: int) -> Iterator[Any]:
        """Yields what tasks yield, which train side by side: so many at a time.

        Each task runs in a thread, and no two at once: their steps and passes are taken
        together. An error in one ends all.
        """


@dataclass(frozen=True)
class Searched:
    """The masked copy of a model that a search trains, proved and compiled.

    Attributes:
        engine: Takes its steps.
        live: Its variables.
        architecture: The model and how it is compiled, as plain values; None if Keras
            cannot write it.
        values: Digests of values that no training changes, such as a teacher's.
        skipped: Layers with a matrix that is not pruned.
        unknown: What of a training cannot be compared with that of another search;
            empty if all of it can.
        lanes: Trains tickets side by side; None if nothing does.
    """

    engine: Engine
    live: Live
    architecture: Mapping[str, Any] | None
    values: Mapping[str, str]
    skipped: Sequence[str]
    unknown: str
    lanes: Lanes | None = None


class Examples(Protocol):
    """The data of a seed, as a binding sees them: a `SeededData` of `training`.

    Attributes:
        data: Training, validation and test data, see `Binding.readable`.
        feed: The batches of training.
        evaluated: Validation and test data, by the prefix of their metrics.
    """

    data: Data
    feed: Feed
    evaluated: dict[str, Any]


@dataclass(frozen=True)
class Port:
    """An input or an output of a model; sizes that are open are None in its shape."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str  # such as "float32"
    is_sparse: bool = False


@dataclass(frozen=True)
class Macs:
    """How many multiply-accumulates a model needs.

    Attributes:
        all: With all weights, zeros included.
        nonzero: With weights that are not zero.
        uncounted: Paths of layers with matrices that are not counted.
    """

    all: int
    nonzero: int
    uncounted: tuple[str, ...]


@dataclass(frozen=True)
class Compaction:
    """A compacted model, and what was removed.

    Attributes:
        model: A plain, uncompiled Keras model with the same outputs.
        dead: How many units were removed that nothing used, by layer path.
        constant: How many units were removed that never varied, by layer path; the
            next layer's bias holds what they contributed.
        inputs: How many of its inputs a gather drops, by layer path.
        left: Why a layer keeps all of its units, by layer path.
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


def _renamed(logs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    renamed = {}
    for name, value in logs.items():
        head = next((head for head in ("val_", "test_") if name.startswith(head)), "")
        own = name.removeprefix(head)
        renamed[f"{head}{names.get(own, own)}"] = value
    return renamed
