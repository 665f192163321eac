"""Bad input gets one clear error, before anything is trained."""

import re

import numpy as np
import pytest

from tests.models import FEATURES, arrays, batches, compiled, keras, layers, tf, tiny
from tf_lottery import Plan, PlanMismatchError, TicketError, Trainer, find_ticket
from tf_lottery.training.one_training import OneTraining


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch):
    """No test here may reach a training step."""
    steps = []
    monkeypatch.setattr(OneTraining, "train", lambda *a: steps.append(a))
    yield
    assert not steps


def refused(error, *said, model=None, data=None, **arguments):
    """Asserts that `find_ticket` refuses with a message of one line that says so."""
    model = compiled(tiny()) if model is None else model
    data = arrays() if data is None else data
    with pytest.raises(error) as caught:
        find_ticket(model, data, verbose=0, **{"rounds": 1} | arguments)
    message = str(caught.value)
    assert any(hint in message for hint in ("Received", "Pass", "pass", "Call"))
    for words in said:
        assert words in message
    return message


@pytest.mark.parametrize("of", ["var_list", "var_names"])
def test_weights_that_are_excluded_from_weight_decay(of):
    """No copy of the optimizer would know of them."""
    model = compiled(tiny(), keras.optimizers.AdamW(0.01, weight_decay=0.1))
    excluded = {"var_list": [model.weights[1]], "var_names": ["bias"]}
    model.optimizer.exclude_from_weight_decay(**{of: excluded[of]})
    refused(ValueError, "exclude_from_weight_decay", "kernel_regularizer", model=model)


@pytest.mark.parametrize(
    "model", [None, "model.h5", object()], ids=["None", "a path", "an object"]
)
def test_what_is_no_model(model):
    with pytest.raises(TypeError, match="`model` must be a compiled tf_keras model"):
        find_ticket(model, arrays(), verbose=0)


def test_a_function_that_returns_no_model():
    refused(TypeError, "compiled tf_keras model", model=lambda: 3)


def test_a_model_that_is_not_compiled():
    message = refused(ValueError, model=tiny())
    assert "must be compiled" in message
    assert "model.compile" in message


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs)


def test_a_subclassed_model():
    refused(
        ValueError,
        "Subclassed",
        "Sequential or functional",
        model=compiled(Subclassed()),
    )


def test_a_model_without_a_prunable_layer():
    model = keras.Sequential([keras.Input((FEATURES,)), layers.BatchNormalization()])
    refused(ValueError, "BatchNormalization", model=compiled(model))


def test_a_model_whose_prunable_layers_are_frozen():
    model = tiny()
    model.trainable = False
    refused(ValueError, "trainable kernel", model=compiled(model))


def test_a_layer_rate_for_an_unknown_layer():
    refused(ValueError, "'logit'", "logits/kernel", layer_rates={"logit": 0.1})


@pytest.mark.parametrize("rate", [0, 1, 1.0, -0.1, 20, float("nan"), "0.2", None])
def test_a_pruning_rate_that_is_no_fraction(rate):
    refused(ValueError, "pruning_rate", repr(rate), pruning_rate=rate)


def test_a_layer_rate_that_is_no_fraction():
    refused(ValueError, "layer_rates", "'logits'", layer_rates={"logits": 1.0})


@pytest.mark.parametrize("rounds", [0, -1, 1.5, True])
def test_rounds_that_are_no_count(rounds):
    refused(ValueError, "rounds", repr(rounds), rounds=rounds)


@pytest.mark.parametrize("name", ["epochs", "steps", "batch_size", "evaluate_every"])
def test_lengths_that_are_no_counts(name):
    refused(ValueError, f"{name}=0", **{name: 0})


def test_an_endless_dataset_without_steps_per_epoch():
    refused(ValueError, "steps_per_epoch", data=batches().repeat())


@pytest.mark.parametrize("form", ["dataset", "arrays", "filtered"])
def test_an_empty_dataset(form):
    x, y = arrays()
    data = {
        "dataset": batches().take(0),
        "arrays": (x[:0], y[:0]),
        "filtered": batches()
        .filter(lambda x, y: False)
        .apply(tf.data.experimental.assert_cardinality(0)),
    }[form]
    refused(ValueError, "at least", data=data)


@pytest.mark.parametrize("name", ["validation_data", "test_data"])
def test_empty_or_endless_evaluation_data(name):
    refused(ValueError, name, "empty", **{name: batches().take(0)})
    refused(ValueError, name, "endless", **{name: batches().repeat()})


def test_inputs_that_do_not_fit():
    x, y = arrays()
    refused(ValueError, "`dataset`", "(None, 7)", "(None, 8)", data=(x[:, :7], y))
    refused(ValueError, "`validation_data`", "7)", validation_data=(x[:, :7], y))
    refused(ValueError, "`test_data`", "7)", test_data=(x[:, :7], y))


def test_a_dataset_that_is_not_batched():
    data = tf.data.Dataset.from_tensor_slices(arrays())
    refused(ValueError, "batched?", data=data)


def test_targets_that_do_not_fit():
    x, y = arrays()
    refused(ValueError, "targets", "`dataset`", data=(x, np.zeros((len(x), 4, 2))))
    model = compiled(tiny())
    model.compile("sgd", "categorical_crossentropy")
    refused(ValueError, "targets", model=model, data=(x, y))
    refused(ValueError, "(x, y)", data=batches().map(lambda x, y: x))


def test_arrays_of_different_lengths():
    x, y = arrays()
    refused(ValueError, "one length", "95", data=(x, y[:-1]))


@pytest.mark.parametrize("data", [3, "mnist", np.zeros((4, 8))], ids=str)
def test_what_is_no_dataset(data):
    refused(TypeError, "tf.data.Dataset", data=data)


def test_a_batch_size_with_a_dataset():
    refused(ValueError, "batch_size=3", data=batches(), batch_size=3)


def test_choices_that_do_not_exist():
    refused(ValueError, "layerwise", scope="locally")
    refused(ValueError, "fine_tune", retrain="finetune")
    refused(ValueError, "magnitude_increase", criterion="l1")
    refused(ValueError, "val_accuracy", monitor="f1", validation_data=arrays())
    refused(ValueError, "500it", rewind_to="5 epochs")


def test_a_rewind_after_the_end():
    refused(ValueError, "rewind_to='1ep'", rewind_to="1ep")


def test_a_monitor_of_unknown_direction():
    def closeness(y, outputs):
        return tf.reduce_mean(outputs)

    refused(ValueError, "mode=", model=compiled(tiny(), metrics=[closeness]))


def test_a_metric_that_cannot_be_copied_is_named():
    class Share(keras.metrics.Mean):
        def __init__(self, of_what):
            super().__init__("share")
            self.of_what = of_what

    model = compiled(tiny(), metrics=[Share(3)])
    with pytest.raises((TypeError, ValueError), match="Share"):
        find_ticket(model, arrays(), verbose=0)


# Run directories.


def listing(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize("kind", ["a file", "below a file", "proc"])
def test_a_directory_that_cannot_be_written(kind, tmp_path):
    (tmp_path / "file").write_text("mine")
    path = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "run",
        "proc": "/proc/tf_lottery",
    }[kind]
    refused(ValueError, "`run_dir`", str(path), run_dir=path)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A finished search; only this fixture trains."""
    path = tmp_path_factory.mktemp("search")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "train_step", TRAIN_STEP)
        with pytest.warns(UserWarning):
            find_ticket(compiled(tiny()), arrays(), 1, run_dir=path, verbose=0)
    return path


TRAIN_STEP = keras.Model.train_step


def wider():
    return keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(7, name="hidden"), layers.Dense(3)]
    )


@pytest.mark.parametrize(
    "what, arguments",
    [
        ("`pruning_rate` is 0.2 there and 0.3 here", {"pruning_rate": 0.3}),
        ("`seed`", {"seed": 1}),
        ("layers", {"model": lambda: compiled(wider())}),
        ("optimizer", {"model": lambda: compiled(tiny(), keras.optimizers.SGD(0.1))}),
        ("`dataset` spec", {"data": tuple(a.astype("int32") for a in arrays())}),
        ("`dataset` contents", {"data": arrays(seed=1)}),
    ],
    ids=["rate", "seed", "architecture", "compile config", "data", "contents"],
)
def test_a_directory_of_another_search_is_left_as_it_is(what, arguments, run_dir):
    before = listing(run_dir)
    arguments = dict(arguments)
    model, data = arguments.pop("model", tiny_compiled), arguments.pop("data", arrays())
    with pytest.raises(PlanMismatchError, match=re.escape(what)) as caught:
        find_ticket(model(), data, 1, run_dir=run_dir, verbose=0, **arguments)
    assert "overwrite=True" in str(caught.value)
    assert str(run_dir) in str(caught.value)
    assert listing(run_dir) == before


def tiny_compiled():
    return compiled(tiny())


@pytest.mark.parametrize(
    "callbacks, said",
    [
        (lambda round: [], "(round, replicate, control)"),
        ([object()], "tf_keras callbacks"),
    ],
)
def test_callbacks_that_keras_could_not_call(callbacks, said):
    refused(TypeError, said, callbacks=callbacks)


@pytest.mark.parametrize(
    "name", ["ticket.safetensors", "outcome.safetensors", "metrics.json"]
)
def test_a_damaged_round_is_an_error_that_names_the_file(name, run_dir, tmp_path):
    import shutil

    copy = shutil.copytree(run_dir, tmp_path / "copy")
    path = copy / "replicate_0" / "round_00" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = listing(copy)
    with pytest.raises(TicketError, match=r"round_00.* damaged"):
        find_ticket(tiny_compiled(), arrays(), 1, run_dir=copy, verbose=0)
    assert listing(copy) == before


def test_two_searches_in_one_directory(run_dir):
    import filelock

    with filelock.FileLock(run_dir / ".lock"):
        refused(ValueError, "in use", "run_dir", run_dir=run_dir)


class Centralized(keras.optimizers.Adam):
    """Subtracts the mean of each gradient."""

    def apply_gradients(self, grads_and_vars, *args, **kwargs):
        pairs = [(g - tf.reduce_mean(g), v) for g, v in grads_and_vars]
        return super().apply_gradients(pairs, *args, **kwargs)


class CentralizedSteps(keras.optimizers.SGD):
    """The same in each step."""

    def update_step(self, gradient, variable):
        super().update_step(gradient - tf.reduce_mean(gradient), variable)


class Renamed(keras.optimizers.SGD):
    """Does nothing of its own."""


@pytest.mark.parametrize("kind", [Centralized, CentralizedSteps])
@pytest.mark.parametrize("scaled", [False, True])
def test_an_optimizer_that_moves_weights_without_gradients_is_refused(kind, scaled):
    optimizer = kind(0.1)
    if scaled:
        optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer)
    message = rf"zero, as for pruned weights.*{kind.__name__}"
    with pytest.raises(ValueError, match=message):
        find_ticket(compiled(tiny(), optimizer), arrays(), 1, verbose=0)


def test_an_optimizer_of_ones_own_that_leaves_them_is_taken():
    Trainer(compiled(tiny(), Renamed(0.1)), arrays(), Plan())
