"""What Keras Tuner calls to learn what there is to choose."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_lottery import bindings
from tf_lottery.core.plan import Plan
from tf_lottery.tuner._keras_tuner import keras_tuner
from tf_lottery.tuner.space import SAME, Fixed, Space

EPOCHS = "tuner/epochs"  # Hyperband's name for the length of a trial
# Of a plan, without those that the tuner sets itself.
PLAN_FIELDS = {each.name for each in dataclasses.fields(Plan)} - {"seed", "replicates"}


class SearchedModel(keras_tuner.HyperModel):
    """The choices of a search and of its model, except the fields that are `fixed`.

    Attributes:
        varies: Whether the model, when it was made, asked for a choice.
    """

    def __init__(self, hypermodel: Any, space: Space) -> None:
        super().__init__()
        self._make = getattr(hypermodel, "build", hypermodel)
        if not callable(self._make) or bindings.of(hypermodel).is_model(hypermodel):
            raise TypeError(
                "`hypermodel` must be a function of `hp` that returns a compiled "
                f"model, or a HyperModel. Received: {hypermodel!r}."
            )
        fit = getattr(type(hypermodel), "fit", keras_tuner.HyperModel.fit)
        if fit is not keras_tuner.HyperModel.fit:
            raise TypeError(
                "A search trains by itself. Received: a HyperModel with its own `fit`. "
                "Put what it does into a `train_step` of the model."
            )
        self._declare = getattr(hypermodel, "declare_hyperparameters", lambda hp: None)
        self._space = space
        self.varies = False
        self.fix({})

    def fix(self, fields: Mapping[str, Any]) -> None:
        """Fixes fields of the plan, which are then not part of the search space."""
        self.fixed = fields
        self._asked: set[str] = set()

    def model(self, hp: keras_tuner.HyperParameters) -> Any:
        """The user's model of some choices."""
        asking = Fixed(hp, self.fixed)
        made = self._make(asking)
        self.varies = self.varies or bool(asking.asked - self.fixed.keys())
        if made is None:
            raise ValueError(
                "`hypermodel` must return a compiled model. Received: None. Is there a "
                "`return`?"
            )
        return made

    def plan(self, hp: keras_tuner.HyperParameters, seed: int, replicates: int) -> Plan:
        """The plan of a trial."""
        fields = self._fields(hp)
        if unknown := sorted(set(fields) - PLAN_FIELDS):
            raise ValueError(
                "A space must return fields of a Plan, except `seed` and `replicates`, "
                f"which the tuner sets. Received: {', '.join(unknown)}."
            )
        if chosen := sorted(SAME & set(fields) - set(self.fixed)):
            raise ValueError(
                f"{', '.join(sorted(SAME))} must be equal for all trials. Received: a "
                f"space that returns {', '.join(chosen)}. Pass it to `search` instead."
            )
        if EPOCHS in hp.values:
            if fields.get("steps") is not None:
                raise ValueError(
                    "Hyperband sets the length of each training in epochs. Received: "
                    "a space that returns `steps`."
                )
            fields["epochs"] = hp.values[EPOCHS]
        return Plan(**fields, seed=seed, replicates=replicates)

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declares what the user's hypermodel declares."""
        self._declare(hp)

    def build(self, hp: keras_tuner.HyperParameters) -> Any:
        """The model, as Keras Tuner calls it to see all that there is to choose."""
        self._fields(hp)
        return self.model(hp)

    def _fields(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """The fields of a plan that the space chooses, and the fixed ones.

        A fixed field that the space returns only under some condition is left out
        where the space leaves it out.
        """
        asking = Fixed(hp, self.fixed)
        found = self._space(asking)
        if not isinstance(found, Mapping):
            raise TypeError(
                "A space must return a dict of fields of a Plan. Received: "
                f"{type(found).__name__}."
            )
        self._asked |= asking.asked
        kept = (n for n in self.fixed if n in found or n not in self._asked)
        return {**found, **{name: self.fixed[name] for name in kept}}


def values_of(trial: Any) -> dict[str, Any]:
    """What was chosen for a trial of Keras Tuner."""
    hp = trial.hyperparameters
    names = (*(each.name for each in hp.space), EPOCHS)
    return {name: hp.values[name] for name in names if name in hp.values}
