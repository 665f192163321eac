"""SavedModels and `.keras` files of tickets, and what every export does."""

import dataclasses
import json
import pathlib
import shutil
import zipfile

import numpy as np
import pytest

from tests.models import arrays, compiled, keras, layers, tf, tiny, with_state
from tf_lottery import Ticket, export, find_ticket
from tf_lottery.core.errors import ExportError, TicketError
from tf_lottery.export import job, placing, to_keras
from tf_lottery.export.serving import SIGNATURE
from tf_lottery.export.stored import stored
from tf_lottery.pruning.layers import named_weights
from tf_lottery.pruning.wrap import mask_variables

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches")

X, _ = TEST = arrays(48, 2)
QUIET = {"latency_runs": 0, "verbose": 0}
FORMATS = {
    "packed": {"format": "saved_model"},
    "dense": {"format": "saved_model", "layout": "dense"},
    "keras": {"format": "keras"},
}
PATHS = {"packed": "ticket", "dense": "ticket", "keras": "ticket.keras"}
each_format = pytest.mark.parametrize("format", FORMATS)


def search(model, **arguments):
    given = {"rounds": 2, "epochs": 3, "batch_size": 16, "verbose": 0} | arguments
    return find_ticket(compiled(model), arrays(), **given)


@pytest.fixture(scope="module")
def ticket():
    """Of a search with test data, in the process of it."""
    found = search(with_state(), validation_data=arrays(32, 1), test_data=TEST)
    last = found.history[2]
    best = {path: weight * 0.5 for path, weight in last.outcome.weights.items()}
    outcome = dataclasses.replace(last.outcome, best_weights=best)
    return dataclasses.replace(
        last.ticket, outcome=outcome, history=found.history, data=found.data
    )


@pytest.fixture(scope="module")
def answers(ticket):
    """The outputs of its weights."""
    kinds = ("best", "final", "initial")
    return {kind: ticket.model(kind)(X, training=False).numpy() for kind in kinds}


@pytest.fixture(scope="module")
def files(ticket, tmp_path_factory):
    """The ticket in each format: path and card."""
    return {
        format: exported(ticket, tmp_path_factory.mktemp(format), format)
        for format in FORMATS
    }


def exported(source, path, format, **options):
    path = path / PATHS[format]
    options = FORMATS[format] | QUIET | options
    if isinstance(source, Ticket):
        return path, source.export(path, **options)
    write = export.keras_file if options.pop("format") == "keras" else None
    return path, (write or export.saved_model)(source, path, **options)


def run(path, x):
    """The outputs of what was written, by Keras or by plain TensorFlow."""
    if path.suffix == ".keras":
        return keras.models.load_model(path, compile=False)(x).numpy()
    serve = tf.saved_model.load(str(path)).signatures[SIGNATURE]
    (found,) = serve(**{name: tf.constant(x) for name in _inputs(serve)}).values()
    return found.numpy()


def _inputs(serve):
    return serve.structured_input_signature[1]


# The file is the ticket.


@each_format
def test_the_best_weights_are_exported(files, answers, format):
    path, card = files[format]
    np.testing.assert_allclose(run(path, X), answers["best"], atol=1e-6)
    assert card.weights == "best, at minimum validation loss"


@pytest.mark.parametrize("weights", ["final", "initial"])
def test_other_weights_are_exported_on_request(ticket, answers, tmp_path, weights):
    path, card = exported(ticket, tmp_path, "keras", weights=weights)
    np.testing.assert_allclose(run(path, X), answers[weights], atol=1e-6)
    assert card.weights.startswith(weights)
    assert np.abs(answers[weights] - answers["best"]).max() > 1e-3


@each_format
def test_the_outputs_are_equal_in_bits_and_the_card_says_so(ticket, files, format):
    _, card = files[format]
    assert card.check["max_difference"] == 0
    assert card.check["argmax_agreement"] == 1
    assert card.check["sample"] == "48 examples of test data"
    assert card.check["accuracy"].keys() == {"dense", "ticket", "file"}
    accuracy = ticket.model("best").evaluate(*TEST, verbose=0)[1]
    assert card.check["accuracy"]["file"] == pytest.approx(accuracy)


@each_format
def test_the_file_is_exactly_as_sparse_as_the_ticket(ticket, files, format):
    _, card = files[format]
    assert card.ticket_density == ticket.density
    found = {tensor.name: tensor for tensor in card.tensors}
    assert found.keys() == ticket.masks.keys()
    for path, mask in ticket.masks.items():
        assert found[path].nonzero == np.count_nonzero(mask)
        assert found[path].shape == mask.shape


def test_a_ticket_of_a_file_is_exported_too(ticket, answers, tmp_path):
    ticket.save(tmp_path / "ticket.npz")
    loaded = Ticket.load(tmp_path / "ticket.npz")
    path, card = exported(loaded, tmp_path, "keras")
    np.testing.assert_allclose(run(path, X), answers["best"], atol=1e-6)
    assert card.check["sample"] == "1,000 examples of random inputs"
    assert any("dense network's trained weights" in note for note in card.notes)
    assert any("Without labels" in note for note in card.notes)


def test_a_model_that_was_trained_further_is_exported(ticket, tmp_path):
    model = ticket.model("best")
    model.fit(*arrays(), epochs=2, verbose=0)
    path, card = exported(model, tmp_path, "keras", data=arrays())
    np.testing.assert_allclose(run(path, X), model(X), atol=1e-6)
    assert card.weights == "as given"
    assert card.ticket_density == ticket.density
    assert card.check["sample"] == "96 examples of given data"


def test_a_plain_model_is_exported_with_the_zeros_that_it_has(tmp_path):
    model = compiled(tiny())
    kernel = model.layers[0].kernel
    kernel.assign(kernel * np.float32([0, 1, 0, 1, 0]))  # -0.0 among them
    path, card = exported(model, tmp_path, "packed")
    assert card.ticket_density == (2 * 8 + 15) / 55
    values = tf.train.load_variable(
        str(path / "variables/variables"),
        "values/float32/.ATTRIBUTES/VARIABLE_VALUE",
    )
    assert len(values) == 2 * 8 + 15  # biases are zero
    assert (model.layers[0].kernel.numpy() == kernel.numpy()).all()


def test_strip_gives_a_plain_model(ticket):
    model = export.strip(ticket)
    assert not mask_variables(model)
    assert type(model.get_layer("hidden")) is layers.Dense
    for path, mask in ticket.masks.items():
        values = named_weights(model)[path].numpy()
        assert (values == ticket.outcome.best_weights[path]).all()
        assert not values[~mask].view(np.uint32).any()


# Others can use it.


@pytest.mark.parametrize("format", ["dense", "keras"])
def test_keras_loads_it_and_trains_it(ticket, files, format):
    path, _ = files[format]
    model = compiled(keras.models.load_model(path, compile=False))
    assert [type(layer).__name__ for layer in model.layers][-4:] == [
        *("Dense", "BatchNormalization", "Dropout", "Dense")
    ]
    for name, weight in named_weights(model).items():
        assert (weight.numpy() == ticket.outcome.best_weights[name]).all(), name
    before = model.evaluate(*arrays(), verbose=0)[0]
    model.fit(*arrays(), epochs=3, verbose=0)
    assert model.evaluate(*arrays(), verbose=0)[0] < before


@each_format
def test_nothing_of_tfmot_is_left(files, format):
    path, _ = files[format]
    if format == "keras":
        parts = zipfile.ZipFile(path)
        contents = [parts.read(name) for name in parts.namelist()]
    else:
        contents = [file.read_bytes() for file in path.rglob("*") if file.is_file()]
    for trace in (b"prune", b"Prune", b"pruning", b"tfmot", b"HeldMasks"):
        assert not any(trace in content for content in contents)


@pytest.mark.parametrize("format", ["packed", "dense"])
def test_saved_models_answer_by_their_signature(files, format):
    path, _ = files[format]
    loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures[SIGNATURE]
    assert _inputs(serve)["features"].shape.as_list() == [None, 8]
    assert serve.structured_outputs["logits"].shape.as_list() == [None, 3]
    assert len(loaded.signatures) == 1


def test_compaction_is_exact_and_on_the_card(tmp_path):
    model = compiled(tiny())
    kernel = model.get_layer("logits").kernel
    kernel.assign(kernel * np.float32([[0], [1], [0], [1], [0]]))  # three dead units
    path, card = exported(model, tmp_path, "packed", compact=True)
    np.testing.assert_allclose(run(path, X), model(X), atol=1e-6)
    assert card.removed["dead"] == {"hidden": 3}
    assert {t.name: t.shape for t in card.tensors} == {
        "hidden/kernel": (8, 2),
        "logits/kernel": (2, 3),
    }


# What would not be the ticket is refused, and nothing is written.


def refused(source, path, match, error=ExportError, **options):
    before = sorted(path.iterdir())
    with pytest.raises(error, match=match):
        exported(source, path, "packed", **options)
    assert sorted(path.iterdir()) == before


def test_a_pruned_weight_that_is_not_zero(ticket, tmp_path):
    model = ticket.model("best")
    kernel = named_weights(model)["hidden/kernel"]
    kernel.assign(np.ones(kernel.shape))
    refused(model, tmp_path, r"must be exactly zero. \d+ of 'hidden/kernel'")
    outcome = dataclasses.replace(
        ticket.outcome,
        best_weights={p: np.ones_like(w) for p, w in ticket.outcome.weights.items()},
    )
    wrong = dataclasses.replace(ticket, outcome=outcome)
    refused(wrong, tmp_path, "must be exactly zero")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite(ticket, tmp_path, value):
    spoiled = dict(ticket.outcome.best_weights)
    spoiled["logits/bias"] = np.float32([0, value, 0])
    outcome = dataclasses.replace(ticket.outcome, best_weights=spoiled)
    wrong = dataclasses.replace(ticket, outcome=outcome)
    refused(wrong, tmp_path, "must be finite.*'logits/bias'")
    model = tiny()
    model.layers[0].bias.assign([value] * 5)
    refused(model, tmp_path, "must be finite")


def test_a_ticket_that_was_not_trained(ticket, tmp_path):
    untrained = dataclasses.replace(ticket, outcome=None)
    refused(untrained, tmp_path, "not trained", TicketError)
    exported(untrained, tmp_path, "keras", weights="initial")


def test_a_ticket_without_its_architecture(ticket, answers, tmp_path):
    bare = dataclasses.replace(ticket, architecture=None)
    refused(bare, tmp_path, r"ticket.apply\(model, 'best'\)")
    applied = bare.apply(with_state(), "best")
    path, _ = exported(applied, tmp_path, "keras")
    np.testing.assert_allclose(run(path, X), answers["best"], atol=1e-6)


def test_weights_that_there_are_not(ticket, tmp_path):
    refused(ticket, tmp_path, "`weights` must be one of", ValueError, weights="worst")


def test_what_is_neither_a_ticket_nor_a_model(tmp_path):
    refused("ticket.npz", tmp_path, "must be a ticket or a tf_keras", TypeError)


def test_options_of_another_format(ticket, tmp_path):
    refused(ticket, tmp_path, "'saved_model'.*quantize", TypeError, quantize="int8")
    refused(ticket, tmp_path, "latency_runs", ValueError, latency_runs=-1)
    with pytest.raises(ValueError, match='"packed" or "dense"'):
        ticket.export(tmp_path / "ticket", layout="sparse")
    with pytest.raises(ValueError, match=r"must end in .keras"):
        ticket.export(tmp_path / "ticket", format="keras")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x)


def test_models_that_cannot_be_copied_or_pruned(tmp_path):
    called = Subclassed()
    called(np.ones((2, 8)))
    refused(called, tmp_path, "Sequential or functional")
    refused(keras.Sequential([layers.Dense(3)]), tmp_path, "must be a built")
    without = keras.Sequential([keras.Input((8,)), layers.ReLU()])
    refused(without, tmp_path, "must have a matrix")


def test_a_model_that_keras_cannot_read_back(tmp_path):
    layer, x = layers.Dense(8), keras.Input((8,))
    inner = keras.Sequential([keras.Input((8,)), layer, layers.Dense(8)])
    shared = keras.Model(x, layers.Add()([layer(x), inner(x)]))
    with pytest.raises(ExportError, match=r'cannot: .*format="saved_model"'):
        exported(shared, tmp_path, "keras")
    assert not list(tmp_path.iterdir())
    exported(shared, tmp_path, "packed")


def test_a_model_that_answers_otherwise_each_time(tmp_path):
    late = layers.Lambda(lambda x: x + tf.cast(tf.timestamp() % 1000, tf.float32))
    model = keras.Sequential([keras.Input((8,)), late, layers.Dense(3)])
    refused(model, tmp_path, "must give the ticket's outputs")


def test_lambda_layers_need_their_switch(tmp_path):
    double = layers.Lambda(lambda x: 2 * x)
    model = keras.Sequential([keras.Input((8,)), double, layers.Dense(3)])
    path, _ = exported(model, tmp_path, "packed")
    np.testing.assert_allclose(run(path, X), model(X), atol=1e-6)
    with pytest.raises(ExportError, match=r"cannot: .*safe_mode"):
        exported(model, tmp_path, "keras")
    exported(model, tmp_path, "keras", safe_mode=False)


class Twice(layers.Layer):
    """Not registered."""

    def call(self, x):
        return 2 * x


def test_layers_that_are_not_registered_are_given(tmp_path):
    model = keras.Sequential([keras.Input((8,)), Twice(), layers.Dense(3)])
    found = search(model, rounds=1, epochs=1)
    refused(found, tmp_path, "Twice", TypeError)
    for format in ("packed", "keras"):
        exported(found, tmp_path, format, custom_objects={"Twice": Twice})


# Files.


@each_format
def test_the_card_lies_beside(files, format):
    path, card = files[format]
    names = {path.name + ending for ending in ("", ".card.json", ".card.md")}
    assert {each.name for each in path.parent.iterdir()} == names
    written = json.loads(pathlib.Path(f"{path}.card.json").read_text())
    assert written["sha256"] == card.sha256 == job.sha256(path)
    assert written["sizes"]["exported"]["raw"] == job.size(path).raw
    assert path.name in pathlib.Path(f"{path}.card.md").read_text()


@each_format
def test_what_is_there_is_not_touched(ticket, files, format):
    path, _ = files[format]
    before = contents(path.parent)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        exported(ticket, path.parent, format, weights="final")
    assert contents(path.parent) == before


@pytest.mark.parametrize("there", ["file", "directory"])
@pytest.mark.parametrize("format", ["packed", "keras"])
def test_what_is_there_is_replaced_on_request(ticket, tmp_path, format, there):
    path = tmp_path / PATHS[format]
    if there == "file":
        path.write_text("old")
    else:
        (path / "variables").mkdir(parents=True)
        (path / "saved_model.pb").write_text("old")
        (path / "variables/old").write_text("old")
    exported(ticket, tmp_path, format, overwrite=True)
    assert not any(content == b"old" for content in contents(tmp_path).values())
    run(path, X)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_directory_that_is_no_export_is_never_replaced(ticket, tmp_path):
    path = tmp_path / "ticket"
    path.mkdir()
    (path / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match="without a SavedModel"):
        exported(ticket, tmp_path, "packed", overwrite=True)
    assert (path / "thesis.tex").read_text() == "mine"


def test_missing_directories_are_made(ticket, tmp_path):
    exported(ticket, tmp_path / "a/b", "packed")
    assert (tmp_path / "a/b/ticket/saved_model.pb").exists()


class Halt(BaseException):
    """As a kill by the keyboard."""


FAILURES = {
    "write packed": (to_keras, "save_packed"),
    "write keras": (to_keras, "_save_keras"),
    "read packed": (job.runtime, "saved_model"),
    "read keras": (to_keras, "_load_keras"),
    "check keras": (job.Job, "_check_sparsity"),
    "card keras": (job, "Card"),
    "move packed": (placing.os, "replace"),
    "move keras": (placing.os, "replace"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_leaves_what_was_there(ticket, files, tmp_path, monkeypatch, failure):
    step, format = failure.split()
    (tmp_path / "new").mkdir()
    shutil.copytree(files[format][0].parent, tmp_path / "old")
    before = contents(tmp_path / "old")
    module, name = FAILURES[failure]
    original, failed = getattr(module, name), []

    def fail(*arguments, **options):
        target = pathlib.Path(arguments[1]).parent if step == "move" else None
        if failed or target not in (None, tmp_path / "old", tmp_path / "new"):
            return original(*arguments, **options)
        failed.append(target)
        raise Halt

    for folder, overwrite in (("old", True), ("new", False)):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, fail)
            with pytest.raises(Halt):
                exported(ticket, tmp_path / folder, format, overwrite=overwrite)
        failed.clear()
    assert contents(tmp_path / "old") == before
    assert not list((tmp_path / "new").iterdir())


def test_the_first_of_two_at_once_wins(tmp_path):
    path = tmp_path / "ticket"
    with pytest.raises(FileExistsError), placing.placed(path, False) as mine:
        with placing.placed(path, False) as theirs:
            theirs.write_text("first")
        mine.write_text("second")
    assert path.read_text() == "first"
    with placing.placed(path, True) as mine:
        with placing.placed(path, True) as theirs:
            theirs.write_text("third")
        mine.write_text("fourth")
    assert path.read_text() == "fourth"
    assert list(tmp_path.iterdir()) == [path]


def contents(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


# What it is compared with.


def test_the_dense_network_is_that_of_round_0(ticket):
    source = job.resolve(ticket, "best")
    assert source.dense_is_trained
    first = ticket.history[0].outcome.best_weights
    for path, weight in named_weights(source.dense).items():
        assert (weight.numpy() == first[path]).all()


def test_a_dense_network_that_is_not_at_hand_has_no_zeros(ticket):
    source = job.resolve(dataclasses.replace(ticket, history=None), "best")
    assert not source.dense_is_trained
    weights = named_weights(source.dense)
    for path in ticket.masks:
        assert (weights[path].numpy() != 0).all()


def test_sizes_fall_from_dense_to_packed(tmp_path):
    model = keras.Sequential([keras.Input((300,)), layers.Dense(300), layers.Dense(3)])
    kernel = model.layers[0].kernel
    mask = np.random.default_rng(0).random(kernel.shape) < 0.05
    kernel.assign(np.where(mask, kernel, 0))
    _, card = exported(model, tmp_path, "packed")
    sizes = card.sizes
    assert sizes["exported"].raw < 0.2 * sizes["stripped"].raw
    assert sizes["stripped"].gz < 0.3 * sizes["dense"].gz
    assert abs(sizes["stripped"].raw - sizes["dense"].raw) < 100


def test_latency_is_measured(ticket, tmp_path, capsys):
    _, card = exported(ticket, tmp_path, "keras", latency_runs=5, verbose=1)
    assert card.latency["microseconds"] > 0
    assert card.latency["runs"] == 5
    assert "ticket.keras: Keras file of the ticket" in capsys.readouterr().out


def test_a_file_with_more_weights_than_the_ticket_is_refused(ticket, tmp_path):
    work = job.Job(ticket, tmp_path / "ticket", job.Options())
    values = np.ones(1000)
    with pytest.raises(ExportError, match="must be as sparse as the ticket"):
        work._check_sparsity([stored("extra", values.shape, "dense", values)])


def test_without_validation_the_card_says_training_loss(tmp_path):
    with pytest.warns(UserWarning):
        found = find_ticket(compiled(tiny()), arrays(), rounds=1, verbose=0)
    card = found.export(tmp_path / "t.keras", latency_runs=0, verbose=0)
    assert card.weights == "best, at minimum training loss"


@pytest.mark.parametrize(
    ("ratio", "high", "said"),
    [
        (1.02, 1.10, "does not make this backend faster"),
        (0.97, 0.99, "does not make this backend faster"),
        (0.21, 2.05, "varied too much"),
        (0.21, 0.25, ""),
    ],
)
def test_the_card_says_in_words_what_the_times_say(
    ticket, tmp_path, monkeypatch, ratio, high, said
):
    times = {"microseconds": 1.0, "dense_microseconds": 1.0, "ratio": ratio}
    times |= {"ratio_low": 0.1, "ratio_high": high}
    monkeypatch.setattr(job.latency, "compare", lambda *_: times)
    path = tmp_path / "t.keras"
    card = ticket.export(path, "keras", latency_runs=1, verbose=0)
    words = ("does not make this backend faster", "varied too much")
    for each in words:
        assert any(each in note for note in card.notes) == (each == said)
