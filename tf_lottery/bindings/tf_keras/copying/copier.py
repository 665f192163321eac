"""Copies of models: the user's class, methods and attributes, other variables.

Keras copies the graph of a model. This adds the rest: the user's class, what was set on
the model, what its functions reach by a closure, and the vocabularies of lookup layers,
which are not variables.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tf_lottery.bindings.shared.naming import parts
from tf_lottery.bindings.shared.rebinding import FUNCTIONS, Rebinding
from tf_lottery.bindings.tf_keras import hold
from tf_lottery.bindings.tf_keras._imports import keras, tf
from tf_lottery.bindings.tf_keras.copying import adapted
from tf_lottery.bindings.tf_keras.copying.attributes import build_held, own_attributes
from tf_lottery.bindings.tf_keras.copying.by_name import by_name, made_of
from tf_lottery.bindings.tf_keras.copying.differing import refuse_failing
from tf_lottery.bindings.tf_keras.copying.objects import copied_state
from tf_lottery.bindings.tf_keras.layers import (
    finalize,
    named_weights,
    own_weights,
    without_wrapper,
)
from tf_lottery.bindings.tf_keras.process import under, variable_generators
from tf_lottery.bindings.tf_keras.states import own_generators, recurrent_states

OPTIMIZERS = keras.optimizers.Optimizer, keras.optimizers.legacy.Optimizer


def copy_model(model: Any, seed: int = 0) -> Any:
    """A copy of a built model with its weights; shared layers stay shared.

    The generators of random layers are variables in the copy, and begin from the seed.

    Raises:
        ValueError: What cannot be copied, and what to do.
    """
    with variable_generators(seed):
        copier = Copier(copy_layer)
        copied = copier.of(model)
        copier.complete()
    assign_by_path(copied, model)
    return copied


class Copier:
    """Copies models, and remembers which copy belongs to which part.

    Args:
        copy_layer: From a layer to its copy, or to the layer itself.
        policy: The dtype policy of the models themselves; default: their own.
        shares: Whether the copy holds the same objects outside its graph as the model,
            such as a teacher.
    """

    def __init__(
        self,
        copy_layer: Callable[[Any], Any],
        policy: str | None = None,
        *,
        shares: bool = False,
    ) -> None:
        self._copy_layer = copy_layer
        replace = self._found if shares else self._found_or_copied
        self._held = Rebinding(replace, copies=True)
        self._policy = policy
        self._raised: Exception | None = None
        self._copies: dict[int, Any] = {}
        self._originals: list[Any] = []  # alive: an id must not be used twice

    def of(self, layer: Any) -> Any:
        """The copy of a layer or a model, made when it is first asked for."""
        if id(layer) not in self._copies:
            nested = isinstance(layer, keras.Model)
            try:
                copied = self._model(layer) if nested else self._copy_layer(layer)
            except Exception as error:
                self._raised = error
                raise
            self._remember(layer, copied)
        return self._copies[id(layer)]

    def complete(self, *, plain: bool = False) -> None:
        """Gives the copies of models, and functions in them, what they lack.

        Call it when the whole model is copied: functions may reach any part of it.
        Models that stay `plain` get neither the user's class nor its attributes.
        """
        for original in self._originals:  # attributes may add more models to the list
            if isinstance(original, keras.Model) and not plain:
                self._add_attributes(original)
        for original in self._originals:
            copied = self._found(original)
            if copied is not original and isinstance(original, keras.layers.Layer):
                _build_alike(copied, original)
                if not isinstance(original, keras.Model):
                    adapted.check_adapted(copied, without_wrapper(original))
                _set_flags(copied, original)
                self._pair_variables(copied, original)
        functions = Rebinding(self._found)
        for original in self._originals:
            copied = self._found(original)
            if isinstance(original, keras.layers.Lambda):
                copied.function = functions.of(original.function)
            elif isinstance(original, keras.Model) and not plain:
                build_held(copied)
                for name, value in own_attributes(original, copied):
                    if isinstance(value, FUNCTIONS):
                        object.__setattr__(copied, name, functions.of(value))

    def _model(self, model: Any) -> Any:
        check_graph(model)
        _check_constants(model)
        try:
            with under(self._policy or model.dtype_policy):
                cloned = keras.models.clone_model(model, clone_function=self.of)
        except Exception as error:  # layers raise whatever they like
            if error is self._raised:  # it says itself what cannot be copied
                raise
            refuse_failing(model, error)
        # Not `trainable`: that would set the flags of the layers inside, too.
        cloned._trainable = model._trainable
        if model.built:  # losses and metrics may be given by the names of the outputs
            cloned.output_names = list(model.output_names)
        return cloned

    def _remember(self, original: Any, copied: Any) -> None:
        self._copies[id(original)] = copied
        self._originals.append(original)

    def _add_attributes(self, original: Any) -> None:
        copied = self._copies[id(original)]
        if type(copied) is not type(original):
            # Without its `__init__`: that would make another graph.
            copied.__class__ = type(original)
        in_graph = {id(la) for la in copied._flatten_layers(include_self=False)}
        for name, value in own_attributes(original, copied):
            if isinstance(value, FUNCTIONS):
                continue
            mine = self._held.of(value)
            if id(mine) in in_graph:  # Keras would list it a second time
                object.__setattr__(copied, name, mine)
            else:
                setattr(copied, name, mine)

    def _pair_variables(self, copied: Any, original: Any) -> None:
        if original.built:
            mine = own_weights(copied)
            for name, weight in own_weights(original).items():
                if name in mine:
                    self._copies.setdefault(id(weight), mine[name])

    def _found(self, value: Any) -> Any:
        """What stands for a part of the model in the copy; else None."""
        return without_wrapper(self._copies.get(id(value)))

    def _found_or_copied(self, value: Any) -> Any:
        if (found := self._found(value)) is not None:
            return found
        if isinstance(value, keras.metrics.Metric):
            copied = copied_by_config("metric", value)
        elif isinstance(value, keras.layers.Layer):
            copied = self._whole(value)
        elif isinstance(value, OPTIMIZERS):
            copied = hold.copy(value)
        elif (copied := copied_state(value, self._found_or_copied)) is None:
            return None
        if id(value) not in self._copies:
            self._remember(value, copied)
        return copied

    def _whole(self, layer: Any) -> Any:
        """The copy of a layer or a model that is an attribute, with its weights."""
        copied = self.of(layer)
        if isinstance(layer, keras.Model):
            assign_by_path(copied, layer)
        else:
            _build_alike(copied, layer)
            copied.set_weights(layer.get_weights())
        return copied


def copy_layer(layer: Any, changes: Mapping[str, Any] | None = None) -> Any:
    """A copy of a layer with its words and bins, by its changed configuration."""
    given = {**(changes or {}), **adapted.adapted_of(layer)}
    copied = copied_by_config("layer", layer, **given)
    adapted.adapt_inside(copied, adapted.adapted_inside(layer))
    return copied


def copied_by_config(kind: str, original: Any, **changes: Any) -> Any:
    """An object of the same class, made from the configuration with changes.

    Raises:
        ValueError: The class cannot be made from its configuration.
    """
    try:
        with by_name():
            return made_of(type(original), original.get_config() | changes)
    except Exception as error:  # its class may raise whatever it likes
        # Keras writes the whole configuration around the error of a class.
        written = "Exception encountered: " in str(error)
        cause = error.__context__ if written and error.__context__ else error
        raise ValueError(
            f"Every {kind} must be able to be copied by `from_config(get_config())`. "
            f"Received: {original.name!r} ({type(original).__name__}), which fails "
            f"with {type(cause).__name__}: {cause}"
        ) from error


def _build_alike(copied: Any, original: Any) -> None:
    """Builds a layer that no call of the graph has built, such as an attribute."""
    if original.built and not copied.built and original.weights:
        with tf.name_scope(original.name):
            copied.build(original._build_input_shape)
            copied.built = True


def assign_by_path(copied: Any, model: Any) -> None:
    """Gives a copy the weights of a model, path by path.

    Raises:
        ValueError: A weight that only one of them has.
    """
    mine, theirs = named_weights(copied), named_weights(model)
    check_paths(mine, theirs, model)
    for path, weight in theirs.items():
        mine[path].assign(weight.numpy())
    states = recurrent_states(copied) | own_generators(copied)
    for name, state in (recurrent_states(model) | own_generators(model)).items():
        if name in states:
            states[name].assign(state.numpy())
    finalize(copied)


def check_graph(model: Any) -> None:
    """Raises unless a model is Sequential or functional."""
    is_graph = getattr(model, "_is_graph_network", False)
    if not is_graph and not isinstance(model, keras.Sequential):
        raise ValueError(
            "The model, and models inside it, must be Sequential or functional to be "
            f"copied. Received: {type(model).__name__}, a subclassed model. Use its "
            "layers in `keras.Model(inputs, outputs)`."
        )


def check_paths(mine: Any, theirs: Any, model: Any) -> None:
    """Raises unless a copy has the weights of a model, by path and shape."""
    wrong = sorted(mine.keys() ^ theirs.keys())
    wrong += [
        path
        for path in theirs
        if path in mine and not mine[path].shape.is_compatible_with(theirs[path].shape)
    ]
    if wrong:
        raise ValueError(
            "A copy of the model must have the same weights. Received: "
            f"{model.name!r} ({type(model).__name__}), whose copy differs in "
            f"{', '.join(map(repr, wrong[:5]))}. Keras copies a layer by its "
            "`get_config()`: it may lack what decides which weights the layer makes."
        )


def _set_flags(copied: Any, original: Any) -> None:
    """Freezes the parts of a layer that are frozen: its configuration lacks them.

    Raises:
        ValueError: A part with another setting than its counterpart.
    """
    mine = dict(parts(copied))
    for path, part in parts(original):
        if path not in mine:
            continue
        # Not `trainable`: that would set the flags of the parts inside, too.
        mine[path]._trainable = part._trainable
        ours = _settings(mine[path])
        for name, value in _settings(part).items():
            if ours.get(name) != value:
                raise ValueError(
                    "A copy of the model must have the same settings. Received: "
                    f"{path.rstrip('/') or original.name!r} ({type(part).__name__}) in "
                    f"{original.name!r}, whose {name} is {value} and {ours.get(name)} "
                    f"in a copy. The `get_config()` of {type(original).__name__} lacks "
                    "it, or it was changed after the layer was made: pass it when the "
                    "layer is made."
                )


def _settings(part: Any) -> dict[str, Any]:
    """The numbers and flags of a configuration, as far as they are known."""
    if isinstance(part, keras.Model) or adapted.adapted_of(part):
        return {}
    try:
        config = part.get_config() | {"trainable": None}
    except (NotImplementedError, TypeError, ValueError):
        return {}
    return {name: v for name, v in config.items() if isinstance(v, int | float)}


def _check_constants(model: Any) -> None:
    """Raises if an operation of the graph holds a variable: a copy would share it."""
    weights = {id(weight): path for path, weight in named_weights(model).items()}
    for layer in model.layers:
        for node in layer._inbound_nodes:
            for part in tf.nest.flatten((node.call_args, node.call_kwargs)):
                if isinstance(part, tf.Variable):
                    name = weights.get(id(part), part.name)
                    raise ValueError(
                        "A weight may only be used by the layer that owns it. "
                        f"Received: the operation {layer.name!r} on the weight "
                        f"{name!r}; a copy of the model could not use its own. Write "
                        "one layer that holds the weight and does both computations, "
                        "like an embedding with a method for the output, and call it "
                        "twice."
                    )
