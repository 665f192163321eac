"""What must hold of training, validation and test data before anything is trained."""

from typing import Any

from tf_lottery.bindings.parts import Examples
from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.checks.data import check_can_be_shared, check_fits
from tf_lottery.bindings.tf_keras.checks.values import check_values
from tf_lottery.bindings.tf_keras.data.forms import is_arrays
from tf_lottery.core.data import ARGUMENTS


def check_examples(model: Any, examples: Examples, have_traced: bool = False) -> None:
    """Raises unless all data fit the compiled model.

    Args:
        model: The compiled model.
        examples: Training, validation and test data.
        have_traced: Whether the model's steps of training and evaluation were traced.

    Raises:
        TypeError, ValueError: Data that it cannot be trained or evaluated on.
    """
    data = examples.data
    parts = {"dataset": (data.train, examples.feed.example_spec)}
    sources = {"val": data.validation, "test": data.test}
    for name, dataset in examples.evaluated.items():
        parts[ARGUMENTS[name]] = sources[name], dataset.element_spec
    for name, (part, spec) in parts.items():
        is_batched = not is_arrays(part)
        check_fits(model, spec, name, is_batched=is_batched, traced=have_traced)
        if not isinstance(part, tf.data.Dataset):
            check_can_be_shared(model, spec, name)
    for name, (part, _) in parts.items():
        check_values(model, part, name)
