"""The callbacks of a search: the same for all trainings, or made for each."""

from collections.abc import Callable, Sequence
from typing import Any

from tf_lottery.bindings.protocol import Binding

Given = Sequence[Any] | Callable[[int, int, str | None], Sequence[Any] | None] | None


class Callbacks:
    """Callbacks that are checked before anything is trained.

    Args:
        binding: What knows callbacks.
        given: Keras callbacks, or a function `(round, replicate, control)`.
    """

    def __init__(self, binding: Binding, given: Given) -> None:
        self._binding = binding
        self._model: Any = None
        self.given = binding.checked_callbacks(given)

    def keep_off(self, model: Any) -> None:
        """Raises if a callback, now or later, reaches the model that was passed."""
        self._model = model
        if not callable(self.given):
            self._binding.check_use_no_other(self.given, model)

    def of(self, number: int, replicate: int, control: str | None) -> list[Any]:
        """The callbacks of one training, by the number of the round."""
        if not callable(self.given):
            return list(self.given)
        made = self._binding.checked_callbacks(self.given(number, replicate, control))
        self._binding.check_use_no_other(made, self._model)
        return list(made)
