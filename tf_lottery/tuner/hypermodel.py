"""What Keras Tuner calls to learn what there is to choose."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_lottery import bindings
from tf_lottery.core.plan import Plan
from tf_lottery.tuner._keras_tuner import keras_tuner
from tf_lottery.tuner.space import JUDGES, Space, Told, choices

EPOCHS = "tuner/epochs"  # what Hyperband calls the length of a trial
# Of a plan; the tuner sets the others itself.
PLAN_FIELDS = {field.name for field in dataclasses.fields(Plan)} - {
    "seed",
    "replicates",
}


class SearchedModel(keras_tuner.HyperModel):
    """The choices of a search, and those of its model.

    Args:
        hypermodel: What the user passed.
        space: Of the search.

    Attributes:
        told: What of a plan is told, and not chosen.
    """

    def __init__(self, hypermodel: Any, space: Space) -> None:
        super().__init__()
        makes = callable(getattr(hypermodel, "build", hypermodel))
        if not makes or bindings.of(hypermodel).is_model(hypermodel):
            raise TypeError(
                "`hypermodel` must be a function of `hp` that returns a compiled "
                f"model, or a HyperModel. Received: {hypermodel!r}."
            )
        fit = getattr(type(hypermodel), "fit", keras_tuner.HyperModel.fit)
        if fit is not keras_tuner.HyperModel.fit:
            raise TypeError(
                "A search trains by itself. Received: a HyperModel that has its own "
                "`fit`. Put what it does into a custom `train_step` of the model."
            )
        self._make = getattr(hypermodel, "build", hypermodel)
        self._declare = getattr(hypermodel, "declare_hyperparameters", lambda hp: None)
        self.told: Mapping[str, Any] = {}
        self._asked: set[str] = set()
        self._space = space

    def tell(self, told: Mapping[str, Any]) -> None:
        """Fixes fields of the plan, which are no longer offered."""
        self.told, self._asked = told, set()

    def model(self, hp: keras_tuner.HyperParameters) -> Any:
        """The user's model of some choices."""
        made = self._make(Told(hp, self.told))
        if made is None:
            raise ValueError(
                "`hypermodel` must return a compiled model. Received: None. Is there a "
                "`return`?"
            )
        return made

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """As the user's hypermodel does."""
        self._declare(hp)

    def choices(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """The fields of the plan of some choices."""
        return choices(self._space, hp, self.told, self._asked)

    def plan(self, hp: keras_tuner.HyperParameters, seed: int, replicates: int) -> Plan:
        """The plan of a trial."""
        fields = self.choices(hp)
        if unknown := sorted(set(fields) - PLAN_FIELDS):
            raise ValueError(
                "A space must return fields of a Plan, but `seed` and `replicates`, "
                f"which the tuner has itself. Received: {', '.join(unknown)}."
            )
        if judges := sorted(JUDGES & set(fields) - set(self.told)):
            raise ValueError(
                "All trials must be judged alike. Received: a space that returns "
                f"{', '.join(judges)}. Pass it to `search`."
            )
        if EPOCHS in hp.values:
            if fields.get("steps") is not None:
                raise ValueError(
                    "Hyperband gives the length of a training. Received: a space that "
                    "returns `steps`."
                )
            fields["epochs"] = hp.values[EPOCHS]
        return Plan(**fields, seed=seed, replicates=replicates)

    def build(self, hp: keras_tuner.HyperParameters) -> Any:
        """What Keras Tuner calls."""
        self.choices(hp)
        return self.model(hp)
