"""Whether a training can be compared safely with trainings of other searches.

Plain values and Keras' own code can be compared. Of a user's loss only the name is
known, of a callback nothing, and a dataset object that shuffles may have been read.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tf_lottery.bindings.parts import Examples
from tf_lottery.bindings.shared import comparable as shared
from tf_lottery.bindings.shared.layers import asked_for
from tf_lottery.bindings.shared.rebinding import FUNCTIONS
from tf_lottery.bindings.shared.source import Source
from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.checks.model import check_model
from tf_lottery.bindings.tf_keras.copying.attributes import NOT_OWN
from tf_lottery.bindings.tf_keras.copying.fixed import fixed_values
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.rebuilding.ticket_model import describe
from tf_lottery.core.packages import is_known


def unknown(
    model: Any,
    architecture: Mapping[str, Any] | None,
    callbacks: Any,
    examples: Examples,
) -> str:
    """Why trainings of a search cannot be compared safely; empty if they can."""
    return shared.reason(
        architecture,
        own_code(model, architecture),
        callbacks,
        made_by_python=isinstance(examples.data.train, Source),
        repeatable=examples.feed.repeatable,
    )


def own_code(model: Any, architecture: Mapping[str, Any] | None) -> list[str]:
    """The names of classes and functions of a compiled model that are not of Keras."""
    config = dict(model._compile_config.config)
    compiled = shared.code_in_compilation(config, model.optimizer)
    found = {*shared.code_in_config(architecture), *compiled, *_in_model(model)}
    return sorted(found)


def identity_of(model: Any, rates: Iterable[str]) -> list[Any]:
    """See `Binding.identity_of`; models of equal identity train alike."""
    if isinstance(model, keras.Model):
        check_model(model)
    values = fixed_values(model) if getattr(model, "built", False) else {}
    return [describe(model), _weights_digest(model), values, sorted(asked_for(rates))]


def _in_model(model: Any) -> Iterator[str]:
    """The model's own class, and functions that were set on it."""
    if not is_known(type(model).__module__):
        yield type(model).__name__
    for name, value in vars(model).items():
        if isinstance(value, FUNCTIONS) and name not in NOT_OWN:
            yield name


def _weights_digest(model: Any) -> str:
    """A hash of the weights and the optimizer's values, drawn, set or loaded."""
    optimizer = hold.variables(model.optimizer, {}).values()
    variables = [*named_weights(model).values(), *optimizer]
    return shared.digest(variable.numpy() for variable in variables)
