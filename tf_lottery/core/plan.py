"""The plan: every choice that defines the result of a search."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery.core import fields
from tf_lottery.core.blocks import checked_block_size
from tf_lottery.core.callables import function_of, name_of
from tf_lottery.core.choices import (
    CRITERIA,
    MODES,
    RETRAIN,
    SCOPES,
    name_of_control,
)
from tf_lottery.core.naming import matches
from tf_lottery.core.near_names import known_fields
from tf_lottery.core.plan_checks import check_plan, checked_controls, checked_rounds
from tf_lottery.core.plan_field import plan_field
from tf_lottery.core.plan_survivors import groups_at
from tf_lottery.core.seeds import derive
from tf_lottery.core.steps import Length, Lengths, normalized, to_steps

BATCH_SIZE = 32  # of arrays, as in Keras
# No training depends on these: they say how much is trained, and how it is judged.
_OF_NO_TRAINING = (
    *("rounds", "controls", "control_rounds", "control_replicates", "replicates"),
    *("monitor", "mode", "tolerance", "together"),
)


@known_fields
@dataclass(frozen=True)
class Plan:
    """What a search does; the defaults are the paper's.

    Args:
        rounds: How many times weights are pruned. Round 0 is dense: `rounds + 1`
            networks are trained.
        epochs: Length of each training in passes over the data.
        steps: Length of each training in optimizer steps, instead of `epochs`.
            A training may end within an epoch.
        steps_per_epoch: As in Keras `fit`; needed for endless datasets.
        batch_size: For data given as arrays (default 32, as in Keras).
        evaluate_every: Steps between validation passes; None: each epoch's end.
        pruning_rate: Fraction of the survivors that a round removes.
        layer_rates: Other rates by weight path, layer path or pattern
            (`{"logits": 0.1, "block1/*": 0.0}`); a rate of 0 does not prune a layer.
            The first key that matches counts.
        scope: "layerwise" or "global" ranking.
        criterion: A name in `tf_lottery.criteria`, or any callable
            `(ticket, outcome) -> scores`.
        block_size: (units, inputs) of a block of weights. Blocks are kept or removed
            as a whole, by their mean score. (1, 4) is the block of TFLite's sparse
            kernel. Matrices that a block does not divide, and other arrays, are
            pruned weight by weight. The `block_size` of tfmot is [inputs, units], as
            in Keras kernels: its (1, 4) is 4 units by 1 input, which TFLite cannot
            run as blocks.
        rewind_to: The step whose values survivors get back: 0 is the initialisation;
            a step, "500it" or "2ep" is late rewinding (arXiv 1903.01611).
        retrain: "rewind" (the paper), "lr_rewind" (final weights; learning rate and
            optimizer start again) or "fine_tune" (everything continues); see
            arXiv 2003.02389.
        monitor: The score that decides. Default: `val_` and the first compiled
            metric, else `val_loss`.
        mode: Whether a lower or higher score is better: "min", "max", or "auto",
            which knows accuracy, AUC, loss and errors.
        tolerance: How much worse than round 0 a score may be and still match.
        controls: Trained in addition to the tickets: names in `tf_lottery.controls`,
            or callables `(ticket, context) -> ticket`.
        control_rounds: The rounds whose tickets have controls; a dict has an entry for
            each control. None: all except the dense one.
        control_replicates: How often each control of a ticket is drawn; the paper
            draws three.
        replicates: How often the search is repeated, each time with another seed
            for initial weights, order of data and controls.
        together: How many trainings of replicates and controls, or of the trials of a
            sweep, share a program, at most: with Keras 3 on JAX, a GPU trains small
            networks side by side in a fraction of the time. "auto" measures it when a
            search begins.
        seed: The seed of replicate 0. Everything random derives from it, by name.

    Raises:
        ValueError: A value that cannot work; it says what to write instead.

    Example:
        >>> plan = Plan(rounds=15, layer_rates={"logits": 0.1})
        >>> sizes = {"a/kernel": 235200, "b/kernel": 30000, "logits/kernel": 1000}
        >>> f"{plan.density_at(15, sizes):.3f}"
        '0.036'
    """

    rounds: int = plan_field(15, "whole")
    epochs: int = plan_field(1, "whole")
    steps: int | None = plan_field(None, "count")
    steps_per_epoch: int | None = plan_field(None, "count")
    batch_size: int | None = plan_field(None, "count")
    evaluate_every: int | None = plan_field(None, "count")
    pruning_rate: float = plan_field(0.2, "number")
    layer_rates: Mapping[str, float] = plan_field(dict, "rates")
    scope: str = plan_field("layerwise", "name", SCOPES)
    criterion: str | Callable[..., Any] = plan_field("magnitude", "name", CRITERIA)
    block_size: tuple[int, int] = plan_field((1, 1), "pair")
    rewind_to: Length = plan_field(0, "length")
    retrain: str = plan_field("rewind", "name", RETRAIN)
    monitor: str | None = plan_field(None, "score")
    mode: str = plan_field("auto", "name", MODES)
    tolerance: float = plan_field(0.0, "number")
    controls: tuple[str | Callable[..., Any], ...] = plan_field((), "names")
    control_rounds: Sequence[int] | Mapping[str, Sequence[int]] | None = plan_field(
        None, "rounds"
    )
    control_replicates: int = plan_field(1, "whole")
    replicates: int = plan_field(1, "whole")
    together: str | int = plan_field("auto", "length")
    seed: int = plan_field(0, "whole")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, np.integer | np.floating):
                self._set(name, value.item())
        if self.layer_rates is None:  # the default of functions' arguments
            self._set("layer_rates", {})
        check_plan(self)
        self._set("layer_rates", dict(self.layer_rates))
        self._set("block_size", checked_block_size(self.block_size, self.scope))
        self._set("rewind_to", normalized(self.rewind_to))
        self._set("controls", checked_controls(self.controls, self.retrain))
        rounds = checked_rounds(self.control_rounds, self.controls, self.rounds)
        self._set("control_rounds", rounds)

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "Plan":
        """The plan of a call's arguments, such as `locals()`; others are ignored."""
        names = (each.name for each in dataclasses.fields(cls))
        return cls(**{name: arguments[name] for name in names if name in arguments})

    def __hash__(self) -> int:
        return hash(
            (self.rounds, self.epochs, self.steps, self.pruning_rate, self.seed)
        )

    def of_replicate(self, number: int) -> "Plan":
        """The plan of one replicate: a search with it gives the same tickets."""
        if number == 0:
            return self
        seed = derive(self.seed, "replicate", number)
        return dataclasses.replace(self, seed=seed, replicates=1)

    def controlled(self, number: int) -> list[str | Callable[..., Any]]:
        """The controls of the ticket of a round."""
        rounds = self._controlled_rounds()
        return [c for c in self.controls if number in rounds[name_of_control(c)]]

    def trainings(self) -> list[tuple[int, str | None, int]]:
        """All trainings of a replicate: (round, control, draw) of each."""
        rounds = range(self.rounds + 1)
        tickets: list[tuple[int, str | None, int]] = [(n, None, 0) for n in rounds]
        return tickets + [
            (number, name_of_control(control), draw)
            for number in rounds
            for control in self.controlled(number)
            for draw in range(self.control_replicates)
        ]

    def asks_for(self, round: int, control: str | None = None, draw: int = 0) -> bool:
        """Whether a replicate has this training."""
        if control is None:
            return 0 <= round <= self.rounds and draw == 0
        rounds = self._controlled_rounds().get(control, ())
        return round in rounds and 0 <= draw < self.control_replicates

    def count(self) -> int:
        """The number of trainings of all replicates, whose list may be very long.

        Example:
            >>> Plan(rounds=10**9, controls="reinit").count()
            2000000001
        """
        controlled = sum(map(len, self._controlled_rounds().values()))
        controls = controlled * self.control_replicates
        return self.replicates * (self.rounds + 1 + controls)

    def last_step(self, steps_per_epoch: int) -> int:
        """The optimizer step at which a training ends."""
        return self.steps or self.epochs * steps_per_epoch

    def lengths(self, steps_per_epoch: int) -> Lengths:
        """The lengths of its trainings on data with so many steps per epoch."""
        rewind = to_steps(self.rewind_to, steps_per_epoch)
        return Lengths(steps_per_epoch, self.last_step(steps_per_epoch), rewind)

    def rates(self, paths: Mapping[str, Any]) -> dict[str, float]:
        """The pruning rate of each weight path; all `layer_rates` must match one."""
        unmatched = [
            k for k in self.layer_rates if not any(matches(k, p) for p in paths)
        ]
        if unmatched:
            raise ValueError(
                "`layer_rates` must name prunable layers. Received: "
                f"{', '.join(map(repr, unmatched))}, which match none of "
                f"{', '.join(map(repr, paths))}."
            )
        return {path: self._rate(path) for path in paths}

    def density_at(self, round: int, sizes: Mapping[str, int]) -> float:
        """The density after `round` rounds, in closed form (the paper's P_m).

        Args:
            round: How many times weights were pruned; 0 is dense.
            sizes: The number of weights by path.
        """
        rates = self.rates(sizes)
        kept = sum(size * (1 - rates[path]) ** round for path, size in sizes.items())
        return kept / sum(sizes.values())

    def kept_at(self, round: int, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """The exact number of survivors after `round` rounds."""
        return sum(kept for _, kept in groups_at(self, round, shapes))

    @property
    def fingerprint(self) -> str:
        """A short hash of everything that training depends on."""
        # Not sorted: the first of the layer rates that matches counts.
        text = json.dumps(self._training())
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differences(self, other: "Plan") -> list[str]:
        """The fields that differ, among those that training depends on."""
        mine, theirs = self._training(), other._training()
        return [n for n in mine if json.dumps(mine[n]) != json.dumps(theirs[n])]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values; callables as "module:name"."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if callable(self.criterion):
            values["criterion"] = name_of(self.criterion)
        values["controls"] = [name_of(c) if callable(c) else c for c in self.controls]
        values["layer_rates"] = dict(self.layer_rates)
        values["block_size"] = list(self.block_size)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Plan":
        """The plan that `to_json` wrote; the types of its fields are checked.

        A callable of the user's is imported only when it is called: a plan may come
        from anyone's file.
        """
        _RECORD("plan", values)
        values = dict(values)
        values["criterion"] = function_of(values["criterion"])
        values["controls"] = tuple(map(function_of, values.get("controls", ())))
        return cls(**values)

    def _controlled_rounds(self) -> dict[str, Collection[int]]:
        """The rounds that have each control."""
        chosen = self.control_rounds
        if isinstance(chosen, Mapping):
            return {name: set(rounds) for name, rounds in chosen.items()}
        every = range(1, self.rounds + 1) if chosen is None else set(chosen)
        return {name_of_control(control): every for control in self.controls}

    def _training(self) -> dict[str, Any]:
        """The values that training depends on; equal choices have equal values."""
        values = self.to_json() | {"batch_size": self.batch_size or BATCH_SIZE}
        return {name: values[name] for name in values if name not in _OF_NO_TRAINING}

    def _rate(self, path: str) -> float:
        keys = (key for key in self.layer_rates if matches(key, path))
        return next((self.layer_rates[key] for key in keys), self.pruning_rate)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


_KINDS = {each.name: each.metadata["kind"] for each in dataclasses.fields(Plan)}
_RECORD = fields.record({"criterion": _KINDS["criterion"]}, _KINDS)
