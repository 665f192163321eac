"""What Keras Tuner calls to learn what there is to choose."""

from collections.abc import Mapping
from typing import Any

from tf_lottery._keras import keras
from tf_lottery.tuner._keras_tuner import keras_tuner
from tf_lottery.tuner.space import Space, Told, choices


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
        if not callable(getattr(hypermodel, "build", hypermodel)) or isinstance(
            hypermodel, keras.Model
        ):
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

    def build(self, hp: keras_tuner.HyperParameters) -> Any:
        """What Keras Tuner calls."""
        self.choices(hp)
        return self.model(hp)
