"""Whether a training can be compared safely with trainings of other searches."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.arrays import array_of
from tf_lottery.bindings.keras3.checks.model import check_model
from tf_lottery.bindings.keras3.copying.fixed import fixed_values, own_attributes
from tf_lottery.bindings.keras3.layers import named_weights
from tf_lottery.bindings.keras3.models import is_built
from tf_lottery.bindings.keras3.rebuilding.describe import describe
from tf_lottery.bindings.parts import Examples
from tf_lottery.bindings.shared import comparable as shared
from tf_lottery.bindings.shared.layers import asked_for
from tf_lottery.bindings.shared.rebinding import FUNCTIONS
from tf_lottery.bindings.shared.source import Source
from tf_lottery.core.packages import is_known


def unknown(
    model: Any,
    architecture: Mapping[str, Any] | None,
    callbacks: Any,
    examples: Examples,
) -> str:
    """Why trainings of a search cannot be compared safely; empty if they can.

    `model` is the one that was passed.
    """
    config = model._compile_config.config
    code = [
        *shared.code_in_config(architecture),
        *shared.code_in_compilation(config, model.optimizer),
        *_in_model(model),
    ]
    return shared.reason(
        architecture,
        code,
        callbacks,
        made_by_python=isinstance(examples.data.train, Source),
        repeatable=examples.feed.repeatable,
    )


def identity_of(model: Any, rates: Iterable[str]) -> list[Any]:
    """See `Binding.identity_of`; models of equal identity train alike."""
    values: dict[str, str] = {}
    if isinstance(model, keras.Model):
        check_model(model)
        values = fixed_values(model) if is_built(model) else {}
    return [describe(model), _weights_digest(model), values, sorted(asked_for(rates))]


def _in_model(model: Any) -> Iterator[str]:
    """The model's own class, and functions that were set on it."""
    if not is_known(type(model).__module__):
        yield type(model).__name__
    for name, value in own_attributes(model).items():
        if isinstance(value, FUNCTIONS):
            yield name


def _weights_digest(model: Any) -> str:
    """A hash of the weights and the optimizer's values, drawn, set or loaded."""
    variables = [*named_weights(model).values(), *model.optimizer.variables]
    return shared.digest(map(array_of, variables))
