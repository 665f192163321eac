"""A ticket is a sparse network that is ready to train.

It is a value: masks, the state that training starts from, and the step at which that
state was taken. Everything else is a function of tickets. What a search returns is a
`FoundTicket`: a ticket, what training it gave, and what the search found out.

Both are in one module because `Ticket.load` returns either.
"""

import dataclasses
import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tf_lottery.core import html, parameters, ticket_file
from tf_lottery.core.archive import PathLike
from tf_lottery.core.checks import check_choice
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks, masked_weights
from tf_lottery.core.outcome import Outcome, State, Weights
from tf_lottery.core.plan import Plan
from tf_lottery.core.plan_survivors import miscount
from tf_lottery.core.spoiled import unmasked
from tf_lottery.core.words import printable

if TYPE_CHECKING:
    from tf_keras import Model

    from tf_lottery.core.history import History
    from tf_lottery.export.card import Card

Kind = TypeVar("Kind", bound="Ticket")


@dataclass(frozen=True, eq=False, repr=False)
class Ticket:
    """A sparse network that is ready to train.

    Attributes:
        masks: Which weights it keeps.
        state: Everything that training starts from, by path: weights (also those
            that the masks remove), non-trainable variables, and under
            `optimizer:`, `random:` and `state:` the optimizer's variables, the random
            generators and what stateful recurrent layers carry on.
        step: The step of a training at which it starts: 0, or the step of a late
            rewind.
        round: How many times weights were pruned.
        plan: The plan of its search.
        architecture: The model and how it is compiled, as plain values.

    Example:
        >>> import numpy as np
        >>> masks = Masks({"dense/kernel": [[True, False]]})
        >>> ticket = Ticket(masks, {"dense/kernel": np.float32([[0.5, 0.25]])})
        >>> ticket.density, ticket.weights["dense/kernel"]
        (0.5, array([[0.5, 0. ]], dtype=float32))
    """

    masks: Masks
    state: State
    step: int = 0
    round: int = 0
    plan: Plan | None = None
    architecture: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<{self._in_words()}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the ticket, and what each layer keeps."""
        kept, density = self.masks.kept_by_layer(), self.masks.by_layer()
        rows = [
            (path, f"{kept[path]:,}", f"{math.prod(shape):,}", f"{density[path]:.2%}")
            for path, shape in self.masks.shapes.items()
        ]
        head = html.paragraph("\n".join(self._headlines()))
        return head + html.table(["weights", "kept", "of", "density"], rows)

    @property
    def sparsity(self) -> float:
        """The fraction of prunable weights that is removed."""
        return self.masks.sparsity

    @property
    def density(self) -> float:
        """The fraction of prunable weights that is kept."""
        return self.masks.density

    @property
    def parameters(self) -> int:
        """The number of all parameters of the model, as Keras' `count_params` counts.

        Frozen weights and the statistics of normalisations are among them; variables
        of the optimizer, random generators and states of recurrent layers are not.
        """
        return parameters.count(self.state, self.masks)

    @property
    def model_density(self) -> float:
        """The fraction of all parameters that is kept; unprunable ones are kept."""
        return parameters.density(self.masks, self.parameters)

    @property
    def weights(self) -> Weights:
        """The starting weights and non-trainable variables; removed ones are 0."""
        return masked_weights(self.state, self.masks)

    def summary(self) -> str:
        """The ticket in a few lines of text: its round, then density by layer."""
        lines = self._headlines()
        width = max(map(len, self.masks), default=0)
        kept, density = self.masks.kept_by_layer(), self.masks.by_layer()
        for path, shape in self.masks.shapes.items():
            lines.append(
                f"  {path:{width}}  {kept[path]:>11,} of {math.prod(shape):>11,}  "
                f"{density[path]:7.2%}"
            )
        return printable("\n".join(lines))

    def model(
        self,
        weights: str = "initial",
        *,
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool = True,
    ) -> "Model":
        """A compiled Keras model whose pruned weights stay zero when trained.

        Args:
            weights: "initial" is the ticket, with its optimizer's state; "best" are the
                weights at minimum validation loss and "final" the last ones, both
                with a new optimizer.
            custom_objects: Classes and functions that are not registered, by name.
            safe_mode: False allows Lambda layers, which run code from the file.

        Raises:
            TicketError: The ticket has no such weights or no architecture.
        """
        return self._binding().model(
            self, weights, custom_objects=custom_objects, safe_mode=safe_mode
        )

    def apply(self, model: "Model", weights: str = "initial") -> "Model":
        """A copy of `model` with the ticket's masks and weights.

        If `model` is compiled, the copy is compiled in the same way. Its pruned weights
        stay zero when it is trained. `model` is not changed.

        Raises:
            TicketError: The ticket was found on another model.
        """
        bindings = _above_core("bindings")
        bindings.name_of(self.architecture)  # raises for a file of a later version
        return bindings.of(model).apply(self, model, weights)

    def export(
        self,
        path: PathLike,
        format: str | None = None,
        *,
        weights: str = "best",
        **options: Any,
    ) -> "Card":
        """Writes the trained ticket for use elsewhere, and runs the file to check it.

        Args:
            path: The file or directory to write; its card is written next to it, as
                JSON and Markdown.
            format: "saved_model" (packed), "keras", "tflite" or "onnx". Default: by
                the ending of `path`; else "saved_model".
            weights: "best" (minimum validation loss), "final" or "initial".
            **options: `model_card=True` also writes a model card for people, as
                Markdown; and the options of `tf_lottery.export.saved_model`,
                `keras_file`, `tflite` or `onnx`.

        Returns:
            The card: sizes, content of the file, differences, accuracy, latency.

        Raises:
            ExportError: The file would differ from the ticket. Nothing is written.

        Example:
            ```python
            card = ticket.export("ticket.tflite")
            print(card.sizes["exported"].raw)
            ```
        """
        module = _above_core("export.formats")
        card: Card = module.export(self, path, format, weights, **options)
        return card

    def verify(self) -> None:
        """Checks the ticket against itself and its plan.

        Weights have the shapes of their masks and are finite, and the masks keep as
        many weights as the plan says.

        Raises:
            TicketError: Something does not hold; it says what and where.
        """
        ticket_file.check_masks("The ticket", self.masks)
        ticket_file.check_weights("starting weights", self.state, self.masks)
        if self.plan and (error := miscount(self.plan, self.round, self.masks)):
            raise TicketError(error)

    def save(self, path: PathLike, *, overwrite: bool = False) -> None:
        """Writes the ticket to one file, with checksums.

        Args:
            path: The file, by convention `*.safetensors`.
            overwrite: Whether to replace an existing file.

        Raises:
            FileExistsError: The file exists.
            OSError: It cannot be written, and what to do.
            TicketError: The ticket has no masks.
        """
        ticket_file.write(path, self, overwrite)

    @classmethod
    def load(cls: type[Kind], path: PathLike) -> Kind:
        """The ticket that `save` wrote; its arrays are read when they are accessed.

        A ticket that was saved with its outcome is a `FoundTicket` again.

        Raises:
            TicketError: The file is damaged, or does not hold such a ticket.
        """
        values = ticket_file.read(path)
        ticket = (FoundTicket if "outcome" in values else Ticket)(**values)
        if not isinstance(ticket, cls):
            raise TicketError(
                f"{path} must hold a ticket that was trained. Received: a ticket "
                "without an outcome. Pass a file that a search wrote."
            )
        return ticket

    def _binding(self) -> Any:
        return _above_core("bindings").of_architecture(self.architecture)

    def _in_words(self) -> str:
        return f"Ticket round {self.round}: {self.masks.in_words()}"

    def _headlines(self) -> list[str]:
        density = parameters.in_words(self.masks, self.parameters)
        return [f"Ticket of round {self.round}: density {density}"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FoundTicket(Ticket):
    """A ticket that a search trained, and what the search found out about it.

    Attributes:
        outcome: The result of its training.
        rows: One row for each training of the search (see `Round.row`), also in the
            ticket's file.
        won: Whether it is a winning ticket: its score is within `tolerance` of the
            dense network's, its best step is no later, its density is at most 0.5, and
            it was rewound. Its controls do not count; `reason` has them.
        reason: The verdict in words.
        monitor: The name of the score that decided; None in files of before.
        history: All rounds of its search; None for a ticket read from a file, see
            `tf_lottery.load_history`.
        data: The `Data` of its search.
        origin: A copy of the model of its search, if its file is not enough to make
            one. Like `data`, None for a ticket read from a file, unpickled or
            deep-copied.
    """

    outcome: Outcome
    rows: tuple[Mapping[str, Any], ...] = ()
    won: bool = False
    reason: str = ""
    monitor: str | None = None
    history: "History | None" = None
    data: Any = None
    origin: Any = None

    @classmethod
    def of(cls, ticket: Ticket, outcome: Outcome) -> "FoundTicket":
        """The ticket with the outcome of its training."""
        names = (field.name for field in dataclasses.fields(Ticket))
        return cls(**{name: getattr(ticket, name) for name in names}, outcome=outcome)

    def __getstate__(self) -> dict[str, Any]:
        # Data and models cannot be pickled. Arrays can, wherever they are read from.
        return {**self.__dict__, "data": None, "origin": None}

    def __copy__(self) -> "FoundTicket":
        return dataclasses.replace(self)

    def __repr__(self) -> str:
        wins = ", wins" if self.won else ""
        return printable(f"<{self._in_words()}{self._score()}{wins}>")

    def _score(self) -> str:
        """The monitored score, and that of the dense networks on average, in words."""
        monitor = self.monitor or (self.plan.monitor if self.plan else None)
        if monitor is None or monitor not in self.outcome.metrics:
            return ""
        found = f", {monitor} {self.outcome.metrics[monitor]:.4f}"
        dense = [row for row in self.rows if row["round"] == 0]
        known = [row[monitor] for row in dense if row.get(monitor) is not None]
        return f"{found} (dense {sum(known) / len(known):.4f})" if known else found

    def verify(self) -> None:
        """Checks the ticket as `Ticket.verify` does, and its trained weights.

        These have the shapes of the masks, are finite, and zero where they are removed.
        """
        super().verify()
        for kind in ("weights", "best_weights"):
            trained: Weights = getattr(self.outcome, kind)
            ticket_file.check_weights(kind, trained, self.masks)
            for path in unmasked(trained, self.masks):
                raise TicketError(f"Pruned {kind} of {path!r} are not zero.")

    def save(self, path: PathLike, *, overwrite: bool = False) -> None:
        """Writes the ticket with its outcome, rows and verdict; see `Ticket.save`."""
        found = {"rows": list(self.rows), "won": self.won, "reason": self.reason}
        found["monitor"] = self.monitor
        ticket_file.write(path, self, overwrite, self.outcome, found)

    def _headlines(self) -> list[str]:
        return super()._headlines() + ([self.reason] if self.reason else [])


WEIGHTS = ("initial", "best", "final")


def chosen(ticket: Ticket, weights: str) -> State:
    """The initial, best or final weights of a ticket, by their name."""
    check_choice("weights", weights, WEIGHTS)
    if weights == "initial":
        return ticket.weights
    if not isinstance(ticket, FoundTicket):
        raise TicketError(
            f"This ticket was not trained; it has no {weights!r} weights. That of a "
            "round has them in `round.trained`."
        )
    outcome = ticket.outcome
    return outcome.best_weights if weights == "best" else outcome.weights


def _above_core(module: str) -> Any:
    """A module above `core`, which imports none of them, loaded when it is needed."""
    return importlib.import_module(f"tf_lottery.{module}")
