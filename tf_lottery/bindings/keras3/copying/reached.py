"""Which variables a step of a copy reaches, seen while the step is traced.

Functions reach variables by closures, global names and objects that Keras does not
track. None that a step reads may be the original's, and all that it changes must be
rewound.
"""

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import backend, keras
from tf_lottery.bindings.keras3.copying.fixed import own_attributes
from tf_lottery.bindings.keras3.layers import named_weights
from tf_lottery.bindings.keras3.states import generators, recurrent_states
from tf_lottery.bindings.shared.objects import items


@dataclass
class Reached:
    """The variables of Keras that were read, and those that were assigned, by id."""

    read: dict[int, Any] = field(default_factory=dict)
    assigned: dict[int, Any] = field(default_factory=dict)


@contextlib.contextmanager
def checked_step(copied: Any, model: Any) -> Iterator[None]:
    """Raises at its end, or instead of an error, if a step inside reached others.

    Raises:
        ValueError: The step of the copy reads variables of the model, or changes some
            that no ticket has.
    """
    before = backend.untracked(copied)
    with _recorded() as reached:
        try:
            yield
        finally:
            _check_read(reached, copied, model)
            _check_assigned(reached, copied)
    named = [*reached.read.values(), *reached.assigned.values(), *_rewound(copied)]
    found = backend.reached([variable._value for variable in named])
    now = backend.untracked(copied)
    _check_untracked(found + [name for name in now if before.get(name) != now[name]])


@contextlib.contextmanager
def _recorded() -> Iterator[Reached]:
    kind, reached = keras.src.backend.Variable, Reached()
    value, assign = inspect.getattr_static(kind, "value"), kind.assign
    own = {name: vars(kind)[name] for name in ("value", "assign") if name in vars(kind)}

    def read(variable: Any) -> Any:
        reached.read[id(variable)] = variable
        return value.fget(variable)

    def assigned(variable: Any, *args: Any, **kwargs: Any) -> Any:
        reached.assigned[id(variable)] = variable
        return assign(variable, *args, **kwargs)

    kind.value, kind.assign = property(read), assigned
    try:
        yield reached
    finally:
        del kind.value, kind.assign
        for name, found in own.items():
            setattr(kind, name, found)


def _check_read(reached: Reached, copied: Any, model: Any) -> None:
    mine = {id(variable) for variable in copied.variables}
    theirs = named_weights(model) | {v.path: v for v in model.optimizer.variables}
    for path, variable in theirs.items():
        if id(variable) in reached.read and id(variable) not in mine:
            raise ValueError(
                "The copy that is searched must have variables of its own. Received: a "
                f"training step that uses {path!r} of the model that was passed, which "
                "it reaches by a global name or by an object that is not copied. Reach "
                "it by `self`: make its layer an attribute of the layer or model whose "
                "method uses it."
            )


def _check_assigned(reached: Reached, copied: Any) -> None:
    rewound = {id(variable) for variable in _rewound(copied)}
    others = {key: v for key, v in reached.assigned.items() if key not in rewound}
    if not others:
        return
    for name, value in own_attributes(copied).items():
        for each in items(value):
            new = isinstance(each, keras.Optimizer) and each is not copied.optimizer
            if new and any(id(variable) in others for variable in each.variables):
                raise ValueError(
                    "A model must be trained by one optimizer, `self.optimizer`, which "
                    f"is rewound and masks pruned weights. Received: {name!r} "
                    f"({type(each).__name__}), a second optimizer that the training "
                    "step uses. If it is the only one, set `self.optimizer` to it."
                )
    if id(_global_generator()) in others:
        raise ValueError(
            "Random numbers of a training step must come from a seed generator of the "
            "model, which is rewound. Received: a step that draws without a seed. Make "
            "`self.seed_generator = keras.random.SeedGenerator(0)` in the layer, and "
            "draw by `keras.random.normal(shape, seed=self.seed_generator)`."
        )
    names = sorted({variable.path for variable in others.values()})
    raise ValueError(
        "All variables that a training step changes must belong to the model to be "
        f"rewound with it. Received: {', '.join(map(repr, names[:5]))}, which belong "
        "to a loss, to a function, or to an object that Keras does not track. Make "
        "each an attribute of the model or of a layer."
    )


def _rewound(copied: Any) -> list[Any]:
    """The variables that are rewound, or reset with the metrics."""
    states = generators(copied) | recurrent_states(copied)
    return [
        *(*copied.variables, *copied.metrics_variables, *states.values()),
        *(*copied.optimizer.variables, *hold.masks_of(copied).values()),
    ]


def _check_untracked(names: list[str]) -> None:
    if names:
        raise ValueError(
            "Values that training changes must be in variables of Keras, which are "
            f"rewound. Received: {', '.join(map(repr, names[:5]))}, of the backend's "
            "own kind. Use a layer of Keras, or `self.add_weight(..., "
            "trainable=False)`."
        )


def _global_generator() -> Any:
    module = keras.src.random.seed_generator
    get = keras.src.backend.common.global_state.get_global_attribute
    return getattr(get(module.GLOBAL_SEED_GENERATOR), "state", None)
