"""A ticket is rebuilt any number of times, whatever the layers of its model hold."""

import pickle

import numpy as np
import pytest

from tests.models import CLASSES, FEATURES, arrays, compiled, keras, layers, tf, tiny
from tf_lottery import Plan, Ticket, TicketError, find_ticket, one_shot
from tf_lottery.bindings.tf_keras.layers import named_weights
from tf_lottery.export import keras_file, saved_model, strip
from tf_lottery.training.trainer import Trainer

WORDS = np.array([["red fish"], ["blue fish"], ["green tree"], ["red tree"]] * 8)
LABELS = np.array([0, 0, 1, 1] * 8)


def words_and_numbers():
    """Adapted lookups, of words and of numbers, and an adapted discretization."""
    vectorize = layers.TextVectorization(output_mode="multi_hot", name="words")
    vectorize.adapt(WORDS)
    lookup = layers.IntegerLookup(output_mode="one_hot", name="numbers")
    lookup.adapt(np.arange(4))
    bins = layers.Discretization(num_bins=3, output_mode="one_hot", name="bins")
    bins.adapt(np.linspace(0, 1, 30))
    inputs = {
        "text": keras.Input((1,), dtype=tf.string, name="text"),
        "number": keras.Input((1,), dtype="int64", name="number"),
        "size": keras.Input((1,), name="size"),
    }
    parts = [vectorize(inputs["text"]), lookup(inputs["number"]), bins(inputs["size"])]
    hidden = layers.Dense(6, activation="relu", name="hidden")
    logits = layers.Dense(2, name="logits")
    return compiled(keras.Model(inputs, logits(hidden(layers.Concatenate()(parts)))))


def features():
    draw = np.random.default_rng(0)
    size = draw.random((len(WORDS), 1)).astype(np.float32)
    return {"text": WORDS, "number": LABELS[:, None] + 1, "size": size}


@pytest.fixture(scope="module")
def adapted():
    data = (features(), LABELS)
    return find_ticket(
        words_and_numbers(), data, rounds=1, validation_data=data, verbose=0
    )


def test_what_layers_were_adapted_to_is_in_the_file_of_a_ticket(adapted, tmp_path):
    adapted.save(tmp_path / "t.safetensors")
    loaded = Ticket.load(tmp_path / "t.safetensors")
    wanted = adapted.model("best").predict(features(), verbose=0)
    made = loaded.model("best")
    assert np.array_equal(made.predict(features(), verbose=0), wanted)
    assert made.get_layer("words").get_vocabulary()[1:] == [
        *("tree", "red", "fish", "green", "blue"),
    ]
    loss = made.evaluate(features(), LABELS, verbose=0)[0]
    assert loss == pytest.approx(adapted.rows[adapted.round]["val_loss"], rel=1e-6)


def test_bins_are_equal_as_numbers_and_must_be_those_of_the_ticket():
    def made(bins):
        inputs = keras.Input((FEATURES,))
        found = layers.Discretization(bins, output_mode="multi_hot", name="bins")
        logits = layers.Dense(CLASSES, name="logits")
        return compiled(keras.Model(inputs, logits(found(inputs))))

    ticket = Trainer(made([1, 2]), arrays(), Plan()).dense()
    ticket.apply(made([1.0, 2.0]))
    with pytest.raises(TicketError, match="another bin"):
        ticket.apply(made([1.0, 3.0]))


@pytest.mark.parametrize("ending", ["", ".keras"])
def test_adapted_layers_are_exported_where_the_format_allows(adapted, tmp_path, ending):
    write = keras_file if ending else saved_model
    layout = {} if ending else {"layout": "dense"}
    card = write(
        adapted, tmp_path / f"file{ending}", latency_runs=0, verbose=0, **layout
    )
    assert card.check["max_difference"] == 0


def test_a_packed_file_of_a_lookup_table_is_refused_with_what_to_do(adapted, tmp_path):
    with pytest.raises(ValueError, match='layout="dense"'):
        saved_model(adapted, tmp_path / "file", latency_runs=0, verbose=0)


def attention():
    inputs = keras.Input((4, FEATURES))
    x = layers.MultiHeadAttention(2, 2, name="attention")(inputs, inputs)
    x = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], name="cells")(x)
    norm = layers.SpectralNormalization(layers.Dense(5, name="dense"), name="norm")
    return compiled(keras.Model(inputs, layers.Dense(CLASSES, name="logits")(norm(x))))


@pytest.mark.slow
def test_layers_that_take_keys_out_of_their_configuration_are_rebuilt_twice(tmp_path):
    x = np.random.default_rng(0).normal(size=(32, 4, FEATURES)).astype(np.float32)
    ticket = one_shot(attention(), (x, np.arange(32) % 3), sparsity=0.5, verbose=0)
    first, second = (ticket.model("final").predict(x, verbose=0) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(strip(ticket, "final").predict(x, verbose=0), first)
    ticket.export(tmp_path / "file", weights="final", latency_runs=0, verbose=0)


def normed():
    inner = layers.SpectralNormalization(layers.Dense(4, name="dense"), name="norm")
    inputs = keras.Input((4, FEATURES))
    x = layers.TimeDistributed(inner, name="each")(inputs)
    norm = layers.SpectralNormalization(layers.Dense(5, name="two"), name="norms")
    x = norm(layers.Flatten()(x))
    return compiled(keras.Model(inputs, layers.Dense(CLASSES, name="logits")(x)))


@pytest.mark.slow
def test_layers_that_keras_does_not_find_by_name_are_searched_and_exported(tmp_path):
    x = np.random.default_rng(0).normal(size=(32, 4, FEATURES)).astype(np.float32)
    ticket = one_shot(normed(), (x, np.arange(32) % 3), sparsity=0.5, verbose=0)
    path = tmp_path / "t.keras"
    card = keras_file(ticket, path, weights="final", latency_runs=0, verbose=0)
    assert card.check["max_difference"] == 0
    (note,) = (note for note in card.notes if "custom_objects" in note)
    assert '{"SpectralNormalization": tf_keras.layers.SpectralNormalization}' in note
    given = {"SpectralNormalization": layers.SpectralNormalization}
    made = keras.models.load_model(path, custom_objects=given, compile=False)
    wanted = ticket.model("final").predict(x, verbose=0)
    assert np.array_equal(made.predict(x, verbose=0), wanted)


@keras.saving.register_keras_serializable("rebuilding_test")
class Bank(layers.Layer):
    """Holds a variable whose first dimension may grow."""

    def build(self, shape):
        open_shape = tf.TensorShape((None, shape[-1]))
        start = tf.ones((2, shape[-1]))
        self.bank = tf.Variable(start, shape=open_shape, trainable=False, name="bank")
        super().build(shape)

    def call(self, inputs):
        return inputs + tf.reduce_sum(self.bank)


@pytest.mark.first_case
@pytest.mark.parametrize("file", ["t.keras", "packed", "dense", "t.tflite"])
def test_a_variable_of_open_shape_is_exported(tmp_path, file):
    inner = [keras.Input((FEATURES,)), Bank(name="bank")]
    model = keras.Sequential([*inner, layers.Dense(CLASSES, name="logits")])
    ticket = one_shot(compiled(model), arrays(), sparsity=0.5, verbose=0)
    options = {"layout": "dense"} if file == "dense" else {}
    card = ticket.export(
        tmp_path / file, weights="final", latency_runs=0, verbose=0, **options
    )
    assert card.check["max_difference"] < 1e-5


def with_base(trainable):
    inner = [keras.Input((FEATURES,)), layers.Dense(6, name="one")]
    base = keras.Sequential([*inner, layers.Dense(6, name="two")], name="base")
    base.trainable = trainable
    inputs = keras.Input((FEATURES,))
    return compiled(
        keras.Model(inputs, layers.Dense(CLASSES, name="head")(base(inputs)))
    )


def test_a_ticket_is_applied_to_a_model_whose_frozen_base_was_unfrozen():
    x, y = arrays()
    frozen = with_base(False)
    ticket = one_shot(frozen, (x, y), sparsity=0.5, verbose=0)
    assert set(ticket.masks) == {"head/kernel"}
    applied = ticket.apply(with_base(True), "final")
    kernels = {layer.name: layer for layer in applied._flatten_layers()}
    base = frozen.get_layer("base").get_layer("one").kernel.numpy()
    assert np.array_equal(kernels["one"].kernel.numpy(), base)
    applied.fit(x, y, verbose=0)
    head = next(
        w for w in applied.trainable_weights if w.name.startswith("head/kernel")
    )
    assert np.array_equal(head.numpy() != 0, ticket.masks["head/kernel"])
    assert not np.array_equal(kernels["one"].kernel.numpy(), base)


@pytest.mark.first_case
@pytest.mark.parametrize("layer", [None, "one"])
def test_a_ticket_is_applied_to_a_model_whose_base_was_frozen(layer):
    x, y = arrays()
    ticket = one_shot(with_base(True), (x, y), sparsity=0.5, verbose=0)
    model = with_base(layer is not None)
    if layer:
        model.get_layer("base").get_layer(layer).trainable = False
        compiled(model)
    applied = ticket.apply(model, "final")
    wanted = ticket.apply(with_base(True), "final").predict(x, verbose=0)
    assert np.array_equal(applied.predict(x, verbose=0), wanted)
    assert len(applied.trainable_weights) == len(model.trainable_weights)
    applied.fit(x, y, verbose=0)
    assert leaking(applied, ticket) == []
    one = named_weights(applied)["base/one/kernel"].numpy()
    assert np.array_equal(one, ticket.outcome.weights["base/one/kernel"])
    applied.trainable = True  # to fine-tune all of it
    compiled(applied).fit(x, y, verbose=0)
    assert leaking(applied, ticket) == []
    assert not np.array_equal(named_weights(applied)["base/one/kernel"].numpy(), one)


def leaking(model, ticket):
    weights = named_weights(model)
    return [p for p, mask in ticket.masks.items() if weights[p].numpy()[~mask].any()]


def test_what_is_no_plain_model_is_named():
    ticket = one_shot(compiled(tiny()), arrays(), sparsity=0.5, verbose=0)
    with pytest.raises(TypeError, match=r"Received: function\. Call it"):
        ticket.apply(tiny)
    with pytest.raises(TicketError, match=r"without pruning wrappers.*export\.strip"):
        ticket.apply(ticket.model())
    with pytest.raises(ValueError, match=r"built model.*input_shape"):
        ticket.apply(keras.Sequential([layers.Dense(3)]))


def test_a_ticket_of_a_model_without_the_layer_is_still_refused():
    x, y = arrays()
    ticket = one_shot(compiled(tiny()), (x, y), sparsity=0.5, verbose=0)
    with pytest.raises(TicketError, match="found on another model"):
        ticket.apply(with_base(True))


@keras.saving.register_keras_serializable("rebuilding_test")
class Centered(keras.constraints.Constraint):
    """Mixes the weights of a unit."""

    def __call__(self, weight):
        return weight - tf.reduce_mean(weight, 0, keepdims=True)


def constrained(constraint):
    hidden = layers.Dense(5, name="hidden", kernel_constraint=constraint)
    inner = [keras.Input((FEATURES,)), hidden, layers.Dense(CLASSES, name="logits")]
    return compiled(keras.Sequential(inner))


def test_a_constraint_that_mixes_weights_is_named_before_training():
    with pytest.raises(ValueError, match=r"Centered of 'hidden/kernel'.*mixes"):
        Trainer(constrained(Centered()), arrays(), Plan(rounds=1))
    rates = {"hidden/kernel": 0}
    Trainer(constrained(Centered()), arrays(), Plan(rounds=1, layer_rates=rates))


@pytest.mark.parametrize(
    "constraint", [keras.constraints.MaxNorm(1.0), keras.constraints.NonNeg()]
)
def test_constraints_that_keep_zeros_are_taken(constraint):
    Trainer(constrained(constraint), arrays(), Plan(rounds=1))


def test_a_class_that_keras_does_not_know_is_asked_for(tmp_path):
    class Unknown(keras.Model):
        pass

    inputs = keras.Input((FEATURES,))
    model = compiled(Unknown(inputs, layers.Dense(CLASSES, name="logits")(inputs)))
    found = one_shot(model, arrays(), verbose=0)
    assert type(found.model()) is Unknown  # it remembers its model
    found.save(tmp_path / "t.safetensors")
    ticket = Ticket.load(tmp_path / "t.safetensors")
    with pytest.raises(TicketError, match=r"Unknown.*custom_objects"):
        ticket.model()
    assert type(ticket.model(custom_objects={"Unknown": Unknown})) is Unknown
    assert type(ticket.apply(model)) is Unknown


def test_a_run_directory_that_is_gone_is_one_clear_error(tmp_path):
    run_dir = tmp_path / "run"
    ticket = one_shot(
        compiled(tiny()), arrays(), sparsity=0.5, run_dir=run_dir, verbose=0
    )
    run_dir.rename(tmp_path / "moved")
    for use in (
        lambda: ticket.model("final"),
        lambda: ticket.save(tmp_path / "t.safetensors"),
        lambda: pickle.dumps(ticket),
        lambda: ticket.export(tmp_path / "file", weights="final"),
    ):
        with pytest.raises(TicketError, match=r"run.*must exist.*moved or removed"):
            use()
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]
