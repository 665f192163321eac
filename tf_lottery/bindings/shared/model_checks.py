"""What must hold of a model of any Keras before anything is trained."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tf_lottery.core.masks import Masks
from tf_lottery.core.naming import matches
from tf_lottery.core.plan import Plan
from tf_lottery.core.words import warn


def warn_if_trained(steps: int, plan: Plan) -> None:
    """Warns that the tickets of a trained model start from its trained weights."""
    if steps and plan.retrain != "fine_tune":
        warn(
            f"The model was trained already, for {steps:,} steps: a new search starts "
            "from its current weights and optimizer; a search that continues, from "
            "those in its run directory. To start from an initialisation, pass a "
            "function that builds the model. To prune a trained network, pass "
            'retrain="fine_tune".'
        )


def warn_of_not_rewound(found: Mapping[str, Any], advice: str) -> None:
    """Warns of attributes of a copy that training changes and no rewind resets."""
    if found:
        names = ", ".join(f"{k!r} ({type(v).__name__})" for k, v in found.items())
        warn(
            "Only variables are rewound between trainings. Received: the attributes "
            f"{names}, which each training leaves changed: rounds do not start alike. "
            f"Use {advice}."
        )


def check_prunable(masks: Masks, model: Any) -> None:
    """Raises if there is nothing to prune."""
    if not masks:
        layers = ", ".join(f"{la.name} ({type(la).__name__})" for la in model.layers)
        raise ValueError(
            "The model must have a trainable kernel that can be pruned. "
            f"Received: a model with none, of {layers}."
        )


def check_rates(
    keys: Iterable[str], weights: Mapping[str, Any], now: Mapping[str, Any]
) -> None:
    """Raises if a key of `layer_rates` means one weight to Keras, and another here.

    `weights` are those of the model by their paths, and `now` by the names that Keras
    has counted.
    """
    paths = {id(weight): path for path, weight in weights.items()}
    for key in keys:
        meant = {paths[id(weight)] for own, weight in now.items() if matches(key, own)}
        taken = {path for path in weights if matches(key, path)}
        if meant and meant != taken:
            raise ValueError(
                "A name in `layer_rates` must be one that you gave to a layer, or a "
                f"path of weights. Received: {key!r}, which Keras could have counted: "
                f"the layer that is called {key!r} now has the path(s) "
                f"{', '.join(map(repr, sorted(meant)))}. Write these, or give the "
                "layer a name without a number."
            )


def check_constraints(
    weights: Mapping[str, Any], constrained: Callable[[Any, Any], Any]
) -> None:
    """Raises if a constraint gives a pruned weight another value than zero.

    `constrained` computes what the constraint of a weight makes of an array.
    """
    draw = np.random.default_rng(0)
    for path, weight in weights.items():
        constraint = getattr(weight, "constraint", None)
        if constraint is None:
            continue
        mask = draw.random(weight.shape) < 0.5
        values = np.where(mask, draw.normal(size=weight.shape), 0.0)
        if np.asarray(constrained(weight, values))[~mask].any():
            raise ValueError(
                "A constraint must leave pruned weights at zero. Received: the "
                f"constraint {type(constraint).__name__} of {path!r}, which mixes "
                "weights. Remove it, or leave the layer dense with "
                f"layer_rates={{{path!r}: 0}}."
            )


def refuse_mixing(optimizer: Any) -> None:
    """Raises for an optimizer of the user's that moves weights without a gradient."""
    raise ValueError(
        "An optimizer must leave a weight at zero if its gradient is zero, as for "
        f"pruned weights. Received: {type(optimizer).__name__}, which does not, as one "
        "that subtracts the mean of a gradient. Change gradients in the "
        "`train_step` of the model, before the optimizer gets them."
    )
