"""What must hold of the targets and sample weights in data, before they are read."""

from collections.abc import Mapping
from typing import Any

from tf_lottery.bindings.shared.names import check_names
from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.bindings.tf_keras.checks.inputs import in_words, shapes
from tf_lottery.bindings.tf_keras.checks.own_steps import has_own, has_own_loss

_NUMBER = "Number the classes from 0: `names, y = np.unique(y, return_inverse=True)`."
_RAISED = ValueError, TypeError, KeyError, AttributeError


def check_targets(
    model: Any, y: Any, sample_weight: Any, name: str, *, is_batched: bool, traced: bool
) -> None:
    """Raises unless targets of that spec fit the outputs and the loss of a model.

    The loss is traced, which also creates the metrics. Nothing is computed. A training
    step of the user makes its metrics itself, when it is traced: Keras would report
    those that the step does not use in place of what it returns.
    """
    own_loss = has_own_loss(model)
    if y is None and model.loss and not own_loss:
        wrong = ValueError if is_batched else TypeError
        raise wrong(
            f"`{name}` must have targets y, as the model was compiled with a loss. "
            "Received: x alone. Pass (x, y) as one argument, or a batched "
            "tf.data.Dataset of (x, y). A model that brings its loss by `add_loss` is "
            "compiled without one."
        )
    keys = model._nested_outputs if isinstance(model._nested_outputs, dict) else ()
    names = dict.fromkeys([*model.output_names, *map(str, keys)])
    for part, what in ((y, "targets"), (sample_weight, "sample weights")):
        check_names(part, names, f"The {what} of `{name}`", "outputs")
    if traced and has_own(model, "train_step"):
        return
    outputs = tf.nest.map_structure(lambda t: t.type_spec, model._nested_outputs)

    def evaluate(y: Any, outputs: Any, sample_weight: Any) -> Any:
        model.compiled_metrics.update_state(y, outputs, sample_weight)
        return model.compute_loss(None, y, outputs, sample_weight)

    @tf.function  # type: ignore[untyped-decorator]
    def on_replicas(*args: Any) -> Any:
        return model.distribute_strategy.run(evaluate, args)

    try:
        on_replicas.get_concrete_function(y, outputs, sample_weight)
    except (*_RAISED, tf.errors.InvalidArgumentError) as error:
        if own_loss:
            return  # it may take other targets
        raise ValueError(
            f"The targets of `{name}` must fit the model's outputs and loss. "
            f"Received: targets {shapes(y)} for outputs {shapes(outputs)}. "
            f"{_hint(model, y)}"
            f"Keras says: {str(error).strip().splitlines()[-1].strip()}"
        ) from error
    if own_loss:
        return
    _check_numbers(sample_weight, f"The sample weights of `{name}` must be numbers")
    for target, output, loss in targets(model, y):
        if kind := kind_of(loss):
            what = f"The targets of `{name}` must be numbers, as the loss is {kind}"
            _check_numbers(target, what, _NUMBER)
        if kind == "sparse_categorical_crossentropy":
            _check_class_numbers(target, output, name)


def targets(model: Any, y: Any) -> list[tuple[Any, Any, Any]]:
    """Per output its targets, the output and its loss, if it has all three."""
    losses = getattr(model.compiled_loss, "_losses", None)
    if y is None or not model.compiled_loss.built:
        return []
    outputs = model._nested_outputs
    if isinstance(y, Mapping):
        names = sorted(outputs) if isinstance(outputs, dict) else model.output_names
        y = [y.get(name) for name in names]
    found = zip(*map(tf.nest.flatten, (y, outputs, losses)), strict=False)
    return [each for each in found if each[0] is not None and each[2] is not None]


def kind_of(loss: Any) -> str:
    """The name of a loss function of Keras; empty for others."""
    function = getattr(loss, "fn", loss)
    modules = (getattr(part, "__module__", "") for part in (loss, function))
    of_keras = all(module.startswith("tf_keras.") for module in modules)
    return getattr(function, "__name__", "") if of_keras else ""


def _check_numbers(part: Any, what: str, advice: str = "Convert them.") -> None:
    """Raises if there are strings: a loss of Keras would fail only when computed."""
    if any(getattr(p, "dtype", None) == tf.string for p in tf.nest.flatten(part)):
        raise ValueError(f"{what}. Received: strings. {advice}")


def _hint(model: Any, y: Any) -> str:
    if isinstance(y, list | tuple) and len(y) == 1:
        return "Pass y itself, not a list that holds it. "
    for target, output, loss in targets(model, y):
        rank = target.shape.rank
        fewer = rank is not None and (
            rank < output.shape.rank or target.shape[-1] == 1 != output.shape[-1]
        )
        if kind_of(loss) == "categorical_crossentropy" and fewer:
            return (
                "Labels that are class numbers need the loss "
                "sparse_categorical_crossentropy. "
            )
    return ""


def _check_class_numbers(target: Any, output: Any, name: str) -> None:
    """Raises if labels of a sparse loss are not one class number for each output."""
    if not isinstance(target, tf.TensorSpec) or target.shape.rank is None:
        return
    wanted = tf.TensorShape(output.shape[1:-1]).num_elements()
    received = tf.TensorShape(target.shape[1:]).num_elements()
    if None in (wanted, received) or wanted == received:
        return
    advice = "Pass one class number for each output."
    if received == wanted * (output.shape[-1] or 0):
        advice = (
            "They look one-hot: use the loss categorical_crossentropy, or "
            "`y.argmax(-1)`."
        )
    raise ValueError(
        f"The targets of `{name}` must be class numbers, as the loss is "
        "sparse_categorical_crossentropy. Received: targets "
        f"{in_words(target.shape)} for outputs {in_words(output.shape)}. {advice}"
    )
