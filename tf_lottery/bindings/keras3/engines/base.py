"""What engines share: names of metrics, counts, callbacks, evaluation.

An engine calls the model's own `train_step` and `test_step`, those of the user
included. Keras' `fit` could end a group of steps only where `steps_per_execution`
divides.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import backend, keras
from tf_lottery.bindings.keras3.states import kept, recurrent_states
from tf_lottery.bindings.parts import Logs, Names
from tf_lottery.bindings.shared.metric_names import metric_names

Checked = Callable[[], AbstractContextManager[None]]


class EngineBase:
    """Takes groups of optimizer steps, see `parts.Engine`.

    Attributes:
        recurrent: The states of recurrent layers, which evaluations begin with zeros.

    Args:
        given: The `steps_per_execution` that the user compiled with.
        checked: Makes a context that raises if the first training step, which is taken
            or traced in it, reaches variables that it must not.
    """

    errors: tuple[type[BaseException], ...] = backend.ERRORS

    def __init__(self, model: Any, group: int, given: int, checked: Checked) -> None:
        self.model = model
        self.group = group
        self.least = given
        self.traces = 0
        self.steps = 0
        self._given = given
        self._checked = checked
        self.recurrent = list(recurrent_states(model).values())

    @property
    def names(self) -> Names:
        model, kinds = self.model, dict[str, str]()
        for metric in model.metrics:
            inside = getattr(metric, "metrics", None) or [metric]
            kinds |= {each.name: type(each).__name__ for each in inside}
        names = list(getattr(model, "output_names", None) or ())
        outputs = names if len(names) > 1 else []
        return metric_names(self._metric_names(), kinds, outputs, model.layers)

    @property
    def metrics(self) -> list[str]:
        compiled = self.model._compile_metrics
        with backend.programs_kept():
            first = compiled.result() if compiled is not None and compiled.built else {}

        def place(name: str) -> int:
            if name.endswith("loss"):
                return 1
            # What a model adds by itself may be of any direction.
            return 0 if name in first else 2

        ordered = [*sorted(self._metric_names(), key=place), "loss"]
        return list(self.names.recorded(dict.fromkeys(ordered)))

    @property
    def stopped(self) -> bool:
        return bool(self.model.stop_training)

    def begin(self, step: int) -> None:
        self.steps = step
        self.model.stop_training = False

    def begin_epoch(self) -> None:
        self.model.reset_metrics()

    def train(self, batches: Iterator[Any], size: int) -> Logs:
        raise NotImplementedError

    def evaluate(self, data: Any, size: int, callbacks: Any) -> tuple[Logs, int]:
        model = self.model
        # What a pass changes of the model, and what only it sees.
        changing = [*model.metrics_variables, *model.non_trainable_variables]
        with kept([*changing, *self.recurrent]):
            model.reset_metrics()
            # The metrics depend on weights alone.
            for state in self.recurrent:
                state.assign(np.zeros(tuple(state.shape), state.dtype))
            watched = callbacks if self.group == self._given else None
            if callbacks:
                callbacks.on_test_begin()
            logs, batches = self._tested(data, size, watched)
            logs = numbers(logs)
            if callbacks:
                callbacks.on_test_end(logs)
        return logs, batches

    def _tested(self, data: Any, size: int, callbacks: Any) -> tuple[Any, int]:
        """The metrics on data, and how many batches there were.

        Callbacks are those that see batches.
        """
        raise NotImplementedError

    def lanes_of(self, live: Any) -> Any:
        """What trains tickets of this model side by side; None if nothing does."""
        return None

    def callback_list(self, callbacks: Sequence[Any], epochs: int, steps: int) -> Any:
        return keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            model=self.model,
            epochs=epochs,
            steps=steps,
            verbose=0,
        )

    def finalize(self) -> bool:
        inner = hold.inner_of(self.model.optimizer)
        if not inner.use_ema:
            return False
        inner.finalize_variable_values(self.model.trainable_variables)
        return True

    def _counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """A training step that is checked, and counts how often it is traced."""

        def counted(*args: Any) -> Any:
            self.traces += 1
            with self._first():
                return step(*args)

        return counted

    @contextlib.contextmanager
    def _first(self) -> Iterator[None]:
        """Checks the first training step; later ones are as they are."""
        # Replicas of TensorFlow trace in turns: one of them looks.
        checked, self._checked = self._checked, contextlib.nullcontext
        try:
            with checked():
                yield
        except BaseException:
            self._checked = checked
            raise

    def _metric_names(self) -> list[str]:
        return list(self.model.get_metrics_result())


def numbers(logs: Any) -> Logs:
    """The values of metrics as numbers."""
    return {
        name: float(np.mean(keras.ops.convert_to_numpy(value)))
        for name, value in flattened(logs).items()
    }


def flattened(logs: Any) -> dict[str, Any]:
    """The values of metrics; inner dicts are laid open, as Keras does."""
    found: dict[str, Any] = {}
    for name, value in logs.items():
        found |= flattened(value) if isinstance(value, Mapping) else {name: value}
    return found
