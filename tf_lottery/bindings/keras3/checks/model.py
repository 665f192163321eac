"""What must hold of a model before anything is trained."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.arrays import array_of
from tf_lottery.bindings.keras3.checks.own_steps import has_own
from tf_lottery.bindings.keras3.layers import inner_layers, named_weights
from tf_lottery.bindings.keras3.states import not_rewound
from tf_lottery.bindings.shared import model_checks as shared
from tf_lottery.bindings.shared.naming import own_names
from tf_lottery.core.packages import is_known
from tf_lottery.core.plan import Plan
from tf_lottery.core.words import warn

_EXCLUSIONS = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")


def check_model(model: Any) -> None:
    """Raises unless the model is a compiled Keras 3 model, trained by Keras."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            "`model` must be a compiled Keras model, or a function without "
            f"arguments that returns one. Received: {type(model).__name__}."
        )
    if not model.compiled:
        raise ValueError(
            "The model must be compiled with its loss and optimizer. Received: one "
            "that is not. Call `model.compile(...)` first."
        )
    if not isinstance(model.optimizer, keras.optimizers.Optimizer):
        raise ValueError(
            "The model's optimizer must be a Keras optimizer. Received: "
            f"{model.optimizer!r} ({type(model.optimizer).__name__}), which the "
            "`compile` of its class set. Set `self.optimizer = "
            "keras.optimizers.get(optimizer)` there."
        )
    if hold.masks_of(model):
        raise ValueError(
            "The model must have no masks: a copy of it gets them. Received: a model "
            "of `ticket.model()` or `ticket.apply(model)`. Pass the model that was "
            "searched, or `tf_lottery.export.strip(model)`, and compile it."
        )
    for name, instead in {"fit": "train_step", "evaluate": "test_step"}.items():
        if has_own(model, name) and not _is_of_hub(model, name):
            raise ValueError(
                f"The model must be trained and evaluated by Keras: a search takes its "
                f"steps. Received: {type(model).__name__}, which has a `{name}` of its "
                f"own. Write what it does as `{instead}`."
            )
    if _is_of_hub(model, "fit") and model.preprocessor is not None:
        raise ValueError(
            "A search does not preprocess data. Received: "
            f"{type(model).__name__} with a preprocessor, which its `fit` applies. "
            "Make it with `preprocessor=None`, and pass what the preprocessor makes of "
            "the data, such as `dataset.map(preprocessor)`."
        )
    _check_described(model.optimizer)


def _is_of_hub(model: Any, name: str) -> bool:
    """Whether a method is KerasHub's, which preprocesses and then calls Keras'."""
    method = vars(model).get(name, getattr(type(model), name))
    return str(getattr(method, "__module__", "")).startswith("keras_hub.")


def warn_if_trained(model: Any, plan: Plan) -> None:
    """Warns that the tickets of a trained model start from its trained weights."""
    steps = int(array_of(hold.inner_of(model.optimizer)._iterations))
    shared.warn_if_trained(steps, plan)


def warn_of_not_rewound(model: Any) -> None:
    """Warns of attributes of a copy that training changes and no rewind resets."""
    advice = "a `keras.random.SeedGenerator`, or a `keras.Variable` that counts"
    shared.warn_of_not_rewound(not_rewound(model), advice)


def warn_if_not_invisible(optimizer: Any) -> None:
    """Warns of optimizers that see more of a pruned weight than its zero."""
    for kind in type(hold.inner_of(optimizer)).__mro__:
        if why := hold.NOT_INVISIBLE.get(kind.__name__):
            warn(
                f"Pruned weights are not invisible to {kind.__name__}: it {why}. They "
                "stay zero, but the others are trained otherwise than in a model "
                "without the pruned ones."
            )


def check_adapted(model: Any) -> None:
    """Raises if a layer was not adapted that must be; warns of a normalization."""
    for path, part in inner_layers(model):
        if isinstance(part, keras.layers.Discretization) and not part.bin_boundaries:
            raise ValueError(
                "A preprocessing layer must know its words or bins before the model is "
                f"trained. Received: {path!r}, which was not adapted. Call "
                "`layer.adapt(data)` first."
            )
        if isinstance(part, keras.layers.Normalization) and _is_as_made(part):
            warn(
                f"The layer {path!r} normalizes nothing, as it was not adapted: its "
                "mean is 0 and its variance 1. Call `layer.adapt(data)` first."
            )


def check_rates(keys: Iterable[str], model: Any) -> None:
    """Raises if a key of `layer_rates` means one weight to Keras, and another here."""
    shared.check_rates(keys, named_weights(model), named_weights(model, own_names))


def check_constraints(weights: Mapping[str, Any]) -> None:
    """Raises if a constraint gives a pruned weight another value than zero."""

    def constrained(weight: Any, values: Any) -> Any:
        given = keras.ops.convert_to_tensor(values, weight.dtype)
        return keras.ops.convert_to_numpy(weight.constraint(given))

    shared.check_constraints(weights, constrained)


def check_optimizer(optimizer: Any) -> None:
    """Raises if an optimizer of the user's class moves weights without a gradient."""
    inner = hold.inner_of(optimizer)
    if is_known(type(inner).__module__):
        return
    weight = keras.Variable(
        np.array([[1.0, 0.0], [2.0, 0.0]], np.float32), name="weight"
    )
    gradient = keras.ops.convert_to_tensor(
        np.array([[0.5, 0.0], [0.25, 0.0]], np.float32)
    )
    hold.copy(inner).apply_gradients([(gradient, weight)])
    if array_of(weight)[:, 1].any():
        shared.refuse_mixing(inner)


def _check_described(optimizer: Any) -> None:
    """Raises if something changes an optimizer that is not in its configuration."""
    inner = hold.inner_of(optimizer)
    if any(getattr(inner, name, None) for name in _EXCLUSIONS):
        raise ValueError(
            "The optimizer's `get_config()` must describe it completely. Received: one "
            "with `exclude_from_weight_decay`, which a copy would lack. Give layers "
            "whose weights shall decay a `kernel_regularizer` instead."
        )


def _is_as_made(layer: Any) -> bool:
    """Whether it is a `Normalization` that changes nothing, as it was made."""
    if not layer.built or layer.input_mean is not None:
        return False
    mean, variance = array_of(layer.adapt_mean), array_of(layer.adapt_variance)
    return bool((mean == 0).all() and (variance == 1).all())
