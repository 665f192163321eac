"""What must hold of training, validation and test data before anything is trained."""

from typing import Any

from tf_lottery.bindings.parts import Examples
from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.checks.inputs import check_inputs, shapes
from tf_lottery.bindings.tf_keras.checks.own_steps import has_own
from tf_lottery.bindings.tf_keras.checks.targets import check_targets
from tf_lottery.bindings.tf_keras.checks.values import check_values
from tf_lottery.bindings.tf_shared.data.arrays import unpacked
from tf_lottery.bindings.tf_shared.data.forms import is_arrays
from tf_lottery.core.data import ARGUMENTS


def check_examples(model: Any, examples: Examples, have_traced: bool = False) -> None:
    """Raises unless all data fit the compiled model, before or after it was traced."""
    data = examples.data
    parts = {"dataset": (data.train, examples.feed.example_spec)}
    for name, dataset in examples.evaluated.items():
        parts[ARGUMENTS[name]] = data.evaluated[name], dataset.element_spec
    for name, (part, spec) in parts.items():
        check_batch(spec, name)
        x, y, sample_weight = unpacked(spec)
        if not has_own(model, "train_step"):
            check_inputs(model, x, name)
        forms = {"is_batched": not is_arrays(part), "traced": have_traced}
        check_targets(model, y, sample_weight, name, **forms)
        several = model.distribute_strategy.num_replicas_in_sync > 1
        dense = all(isinstance(t, tf.TensorSpec) for t in tf.nest.flatten(spec))
        if several and not dense and not isinstance(part, tf.data.Dataset):
            raise ValueError(
                f"`{name}` must be dense to be shared among replicas. Received: ragged "
                "or sparse rows. Train on one device, or pass a tf.data.Dataset of "
                "batches."
            )
    for name, (part, _) in parts.items():
        check_values(model, part, name)


def check_batch(spec: Any, name: str) -> None:
    """Raises unless a batch is x, `(x, y)` or `(x, y, sample_weight)`."""
    if isinstance(spec, tuple) and len(spec) > 3:
        raise ValueError(
            f"`{name}` must yield tuples (x, y) or (x, y, sample_weight). "
            f"Received: elements {shapes(spec)}."
        )
