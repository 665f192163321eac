"""The plan: every choice that defines the result of a search."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tf_lottery.core.blocks import blocks_by_path, checked_block_size
from tf_lottery.core.callables import function_of, name_of
from tf_lottery.core.checks import check_choice, check_count, is_number
from tf_lottery.core.choices import (
    MODES,
    RETRAIN,
    SCOPES,
    check_criterion,
    name_of_control,
)
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan_controls import (
    asks_for,
    checked_controls,
    checked_rounds,
    count,
    trainings,
)
from tf_lottery.core.plan_fields import check_fields
from tf_lottery.core.prune import groups
from tf_lottery.core.rates import check_rates, matches
from tf_lottery.core.seeds import derive
from tf_lottery.core.steps import Length, check_length, normalized, to_steps

BATCH_SIZE = 32  # of arrays, as in Keras
# These say how much is trained, and judge it; no training depends on them.
_EXTENT = ("rounds", "controls", "control_rounds", "control_replicates", "replicates")
_JUDGEMENT = ("monitor", "mode", "tolerance")


@dataclass(frozen=True)
class Plan:
    """What a search does; the defaults are the paper's.

    Args:
        rounds: Times that weights are pruned; round 0 is dense, so `rounds + 1`
            networks are trained.
        epochs: Length of each training in passes over the data.
        steps: Length of each training in optimizer steps, instead of `epochs`.
            It need not end on an epoch.
        steps_per_epoch: As in Keras `fit`; needed for endless datasets.
        batch_size: For data given as arrays (default 32, as in Keras).
        evaluate_every: Steps between validation passes; None: each epoch's end.
        pruning_rate: Fraction of the survivors that a round removes.
        layer_rates: Other rates by weight path, layer path or pattern
            (`{"logits": 0.1, "block1/*": 0.0}`); 0 leaves a layer alone. The
            first key that matches counts.
        scope: "layerwise" or "global" ranking.
        criterion: A name in `tf_lottery.criteria`, or any callable
            `(ticket, outcome) -> scores`.
        block_size: (units, inputs) of the blocks that are pruned as one, by their
            mean score; (1, 4) is the block of TFLite's sparse kernel. Matrices
            that it does not divide, and other weights, are pruned one by one.
            tfmot's `block_size` counts in Keras kernels, [inputs, units]: its
            (1, 4) is 4 units by 1 input, which TFLite cannot run as blocks.
        rewind_to: Where survivors return to: 0 is the initialisation; a step,
            "500it" or "2ep" is late rewinding (arXiv 1903.01611).
        retrain: "rewind" (the paper), "lr_rewind" (final weights, schedule and
            optimizer anew) or "fine_tune" (everything as it ended); see
            arXiv 2003.02389.
        monitor: The score that decides; default `val_` and the first compiled
            metric, else `val_loss`.
        mode: "min", "max", or "auto" for accuracy, AUC, loss and errors.
        tolerance: How much worse than round 0 a score may be and still match.
        controls: Trained beside the tickets: names in `tf_lottery.controls`, or
            callables `(ticket, context) -> ticket`.
        control_rounds: The rounds whose tickets have controls; a dict gives each
            control its own. None: all but the dense one.
        control_replicates: How often each control of a ticket is drawn; the paper
            draws three.
        replicates: How often the search is repeated, each time with a seed of its
            own for initial weights, order of data and controls.
        seed: Of replicate 0. Everything random derives from it, by name.

    Raises:
        ValueError: A value that cannot work, with what to write instead.

    Example:
        >>> plan = Plan(rounds=15, layer_rates={"logits": 0.1})
        >>> sizes = {"a/kernel": 235200, "b/kernel": 30000, "logits/kernel": 1000}
        >>> f"{plan.density_at(15, sizes):.3f}"
        '0.036'
    """

    rounds: int = 15
    epochs: int = 1
    steps: int | None = None
    steps_per_epoch: int | None = None
    batch_size: int | None = None
    evaluate_every: int | None = None
    pruning_rate: float = 0.2
    layer_rates: Mapping[str, float] = field(default_factory=dict)
    scope: str = "layerwise"
    criterion: str | Callable[..., Any] = "magnitude"
    block_size: tuple[int, int] = (1, 1)
    rewind_to: Length = 0
    retrain: str = "rewind"
    monitor: str | None = None
    mode: str = "auto"
    tolerance: float = 0.0
    controls: tuple[str | Callable[..., Any], ...] = ()
    control_rounds: Sequence[int] | Mapping[str, Sequence[int]] | None = None
    control_replicates: int = 1
    replicates: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if isinstance(value, np.integer | np.floating):
                object.__setattr__(self, each.name, value.item())
        if not isinstance(self.layer_rates, Mapping):
            raise TypeError(
                '`layer_rates` must be a dict, like {"logits": 0.1}. '
                f"Received: layer_rates={self.layer_rates!r}."
            )
        object.__setattr__(self, "layer_rates", dict(self.layer_rates))
        for name in ("rounds", "epochs", "control_replicates", "replicates"):
            check_count(name, getattr(self, name))
        for name in ("steps", "steps_per_epoch", "batch_size", "evaluate_every"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        if self.steps is not None and self.epochs != 1:
            raise ValueError(
                "The length of a training must be `epochs` or `steps`, not both. "
                f"Received: epochs={self.epochs}, steps={self.steps}."
            )
        check_rates(self.pruning_rate, self.layer_rates, self.scope)
        check_choice("scope", self.scope, SCOPES)
        block_size = checked_block_size(self.block_size, self.scope)
        object.__setattr__(self, "block_size", block_size)
        check_choice("retrain", self.retrain, RETRAIN)
        check_choice("mode", self.mode, MODES)
        check_criterion(self.criterion)
        check_length("rewind_to", self.rewind_to)
        if self.retrain != "rewind" and to_steps(self.rewind_to, 1) != 0:
            raise ValueError(
                '`rewind_to` only has a meaning with retrain="rewind". Received: '
                f"rewind_to={self.rewind_to!r}, retrain={self.retrain!r}."
            )
        object.__setattr__(self, "rewind_to", normalized(self.rewind_to))
        if not is_number(self.tolerance) or not 0 <= self.tolerance < math.inf:
            raise ValueError(
                "`tolerance` must be a number >= 0, in units of the monitored score. "
                f"Received: tolerance={self.tolerance!r}."
            )
        controls = checked_controls(self.controls, self.retrain)
        object.__setattr__(self, "controls", controls)
        rounds = checked_rounds(self.control_rounds, controls, self.rounds)
        object.__setattr__(self, "control_rounds", rounds)
        if type(self.seed) is not int or self.seed < 0:
            raise ValueError(
                f"`seed` must be an integer >= 0. Received: seed={self.seed!r}."
            )

    def __hash__(self) -> int:
        return hash(
            tuple(_hashable(getattr(self, f.name)) for f in dataclasses.fields(self))
        )

    def of_replicate(self, number: int) -> "Plan":
        """The plan of a replicate: this one, with a seed of its own.

        A search with that plan alone gives the same tickets.
        """
        if number == 0:
            return self
        seed = derive(self.seed, "replicate", number)
        return dataclasses.replace(self, seed=seed, replicates=1)

    def controlled(self, number: int) -> list[str | Callable[..., Any]]:
        """The controls of the ticket of a round."""
        chosen: Any = self.control_rounds
        if isinstance(chosen, Mapping):
            names = {name_of_control(control): control for control in self.controls}
            return [names[n] for n, rounds in chosen.items() if number in rounds]
        is_chosen = number > 0 if chosen is None else number in chosen
        return list(self.controls) if is_chosen else []

    def trainings(self) -> list[tuple[int, str | None, int]]:
        """What a replicate trains: (round, control, draw) of each."""
        return trainings(self)

    def asks_for(self, round: int, control: str | None = None, draw: int = 0) -> bool:
        """Whether a replicate trains this."""
        return asks_for(self, round, control, draw)

    def count(self) -> int:
        """How many trainings there are, over all replicates."""
        return self.replicates * count(self)

    def last_step(self, steps_per_epoch: int) -> int:
        """The optimizer step at which a training ends."""
        return self.steps or self.epochs * steps_per_epoch

    def rewind_step(self, steps_per_epoch: int) -> int:
        """The optimizer step whose state returns after pruning."""
        return to_steps(self.rewind_to, steps_per_epoch)

    def rates(self, paths: Mapping[str, Any]) -> dict[str, float]:
        """The pruning rate of each weight path.

        Raises:
            ValueError: A key of `layer_rates` that matches no path.
        """
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
        return sum(kept for _, kept in self.groups_at(round, shapes))

    def groups_at(
        self, round: int, shapes: Mapping[str, tuple[int, ...]]
    ) -> list[tuple[list[str], int]]:
        """The paths that are ranked together, and how many of their weights survive.

        The recurrence is `kept -= round(rate * kept)`, for each weight array or,
        with global scope, for all that lose weights together. It counts blocks
        where weights are pruned in blocks.
        """
        blocks = blocks_by_path(shapes, self.block_size)
        survivors = []
        for paths, rate in groups(self.rates(shapes), self.scope):
            # Arrays with blocks are ranked each by itself.
            area = math.prod(blocks.get(paths[0], ()))
            size = sum(math.prod(shapes[path]) for path in paths)
            survivors.append((paths, area * _shrink(size // area, rate, round)))
        return survivors

    def miscount(self, round: int, masks: Masks) -> str:
        """What is wrong with the number of survivors after a round; else empty."""
        kept = masks.kept_by_layer()
        wrong = [
            f"{sum(kept[path] for path in paths)} of {', '.join(paths)}, planned {plan}"
            for paths, plan in self.groups_at(round, masks.shapes)
            if sum(kept[path] for path in paths) != plan
        ]
        planned = self.kept_at(round, masks.shapes)
        if not wrong:
            return ""
        return (
            f"Round {round} keeps {masks.kept} weights; the plan keeps {planned}. "
            f"It keeps {'; '.join(wrong)}."
        )

    @property
    def fingerprint(self) -> str:
        """A short hash over everything that training depends on."""
        # Not sorted: of the layer rates, the first that matches counts.
        text = json.dumps(self._training())
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differences(self, other: "Plan") -> list[str]:
        """The names of the fields, of those training depends on, that differ."""
        mine, theirs = self._training(), other._training()
        return [n for n in mine if json.dumps(mine[n]) != json.dumps(theirs[n])]

    def to_json(self) -> dict[str, Any]:
        """Plain values; a callable criterion as "module:name"."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if callable(self.criterion):
            values["criterion"] = name_of(self.criterion)
        values["controls"] = [name_of(c) if callable(c) else c for c in self.controls]
        values["layer_rates"] = dict(self.layer_rates)
        values["block_size"] = list(self.block_size)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Plan":
        """The plan that `to_json` wrote.

        A criterion of your own is known by its name alone, see `named`: a plan may
        come from anyone's file.

        Raises:
            ValueError: A field that is missing, unknown or of the wrong type.
        """
        check_fields("plan", values)
        values = dict(values)
        values["criterion"] = function_of(values["criterion"])
        values["controls"] = tuple(map(function_of, values.get("controls", ())))
        return cls(**values)

    def _training(self) -> dict[str, Any]:
        """What training depends on, written so that equal choices are equal."""
        values = self.to_json() | {"batch_size": self.batch_size or BATCH_SIZE}
        return {
            name: value
            for name, value in values.items()
            if name not in (*_EXTENT, *_JUDGEMENT)
        }

    def _rate(self, path: str) -> float:
        keys = (key for key in self.layer_rates if matches(key, path))
        return next((self.layer_rates[key] for key in keys), self.pruning_rate)


def _shrink(kept: int, rate: float, rounds: int) -> int:
    for _ in range(rounds):
        removed = round(rate * kept)
        if not removed:  # however many rounds there are
            break
        kept -= removed
    return kept


def _hashable(value: Any) -> Any:
    """A value that is equal where `value` is, and has a hash."""
    if isinstance(value, Mapping):
        return frozenset((key, _hashable(each)) for key, each in value.items())
    if isinstance(value, tuple):
        return tuple(map(_hashable, value))
    return name_of(value) if callable(value) else value
