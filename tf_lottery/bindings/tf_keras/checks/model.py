"""What must hold of a model before anything is trained."""

from collections.abc import Iterable, Mapping
from typing import Any

from tf_lottery.bindings.shared import model_checks as shared
from tf_lottery.bindings.shared.naming import own_names
from tf_lottery.bindings.shared.optimizers import inner_of
from tf_lottery.bindings.shared.rebinding import FUNCTIONS
from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.copying import adapted
from tf_lottery.bindings.tf_keras.copying.copier import OPTIMIZERS, check_graph
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.bindings.tf_keras.states import not_rewound
from tf_lottery.bindings.tf_keras.tfmot.wrap import check_unwrapped
from tf_lottery.core.packages import is_known
from tf_lottery.core.plan import Plan
from tf_lottery.core.words import warn

_STEPS = ("apply_gradients", "minimize", "update_step", "compute_gradients")
_EXCLUSIONS = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_names")
_FUNCTIONAL = keras.src.engine.functional.Functional


def check_model(model: Any) -> None:
    """Raises unless the model is a compiled Sequential or functional tf_keras model."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            "`model` must be a compiled tf_keras model, or a function without "
            f"arguments that returns one. Received: {type(model).__name__}."
        )
    for part in model._flatten_layers():
        if isinstance(part, keras.Model):
            check_graph(part)
    check_unwrapped(model)
    if not model._is_compiled:
        raise ValueError(
            "The model must be compiled with its loss and optimizer. Received: one "
            "that is not. Call `model.compile(...)` first."
        )
    if not isinstance(model.optimizer, OPTIMIZERS):
        raise ValueError(
            "The model's optimizer must be a tf_keras optimizer. Received: "
            f"{model.optimizer!r} ({type(model.optimizer).__name__}), which the "
            "`compile` of its class set. Set `self.optimizer = "
            "keras.optimizers.get(optimizer)` there."
        )
    own = keras.Sequential if isinstance(model, keras.Sequential) else _FUNCTIONAL
    if "call" in vars(model) or type(model).call is not own.call:
        raise ValueError(
            "The model's outputs must be those of its graph, which exports follow. "
            f"Received: {type(model).__name__}, which has a `call` of its own. Use its "
            "layers in `keras.Model(inputs, outputs)`, without `call`."
        )
    if "fit" in vars(model) or type(model).fit is not keras.Model.fit:
        raise ValueError(
            "The model must be trained by Keras' `fit`: a search does its steps. "
            f"Received: {type(model).__name__}, which has a `fit` of its own. Write "
            "what it does as `train_step`."
        )
    _check_described(model.optimizer)


def _check_described(optimizer: Any) -> None:
    """Raises if something changes an optimizer that is not in its configuration."""
    set_on_it = [n for n, v in vars(optimizer).items() if isinstance(v, FUNCTIONS)]
    found = [f"`{name}` set on it" for name in set_on_it if name in _STEPS]
    advice = "Write an optimizer class that does it."
    if getattr(optimizer, "gradient_transformers", None):
        found.insert(0, "`gradient_transformers`")
    if any(getattr(optimizer, name, None) for name in _EXCLUSIONS):
        found.append("`exclude_from_weight_decay`")
        advice = "Give layers whose weights shall decay a `kernel_regularizer` instead."
    if found:
        raise ValueError(
            "The optimizer's `get_config()` must describe it completely. Received: one "
            f"with {', '.join(found)}, which a copy would lack. {advice}"
        )


def warn_if_trained(model: Any, plan: Plan) -> None:
    """Warns that the tickets of a trained model start from its trained weights."""
    shared.warn_if_trained(int(model.optimizer.iterations.numpy()), plan)


def warn_of_not_rewound(model: Any) -> None:
    """Warns of attributes of a copy that training changes and no rewind resets."""
    advice = "a `tf.random.Generator`, or a `tf.Variable` that counts"
    shared.warn_of_not_rewound(not_rewound(model), advice)


def check_adapted(model: Any) -> None:
    """Raises if a layer was not adapted that must be; warns of a normalization."""
    found = list(adapted.called(model))
    if paths := [path for path, part in found if adapted.is_forgotten(part)]:
        raise ValueError(
            "A preprocessing layer must know its words or bins before the model is "
            f"trained. Received: {', '.join(map(repr, paths))}, which was not adapted. "
            "Call `layer.adapt(data)` first."
        )
    for path in (path for path, part in found if adapted.is_as_made(part)):
        warn(
            f"The layer {path!r} normalizes nothing, as it was not adapted: its mean "
            "is 0 and its variance 1. Call `layer.adapt(data)` first."
        )


def check_rates(keys: Iterable[str], model: Any) -> None:
    """Raises if a key of `layer_rates` means one weight to Keras, and another here."""
    shared.check_rates(keys, named_weights(model), named_weights(model, own_names))


def check_constraints(weights: Mapping[str, Any]) -> None:
    """Raises if a constraint gives a pruned weight another value than zero."""

    def constrained(weight: Any, values: Any) -> Any:
        return weight.constraint(tf.cast(values, weight.dtype))

    shared.check_constraints(weights, constrained)


def check_optimizer(optimizer: Any) -> None:
    """Raises if an optimizer of the user's class moves weights without a gradient."""
    inner = inner_of(optimizer)
    if is_known(type(inner).__module__):
        return
    weight = tf.Variable([[1.0, 0.0], [2.0, 0.0]])
    gradient = tf.constant([[0.5, 0.0], [0.25, 0.0]])
    hold.copy(inner).apply_gradients([(gradient, weight)])
    if weight.numpy()[:, 1].any():
        shared.refuse_mixing(inner)
