"""Models of several inputs and outputs, and models that are not built yet."""

import pytest

from tests.bindings.tf_keras.pruned import classes, sequences, trained, vectors
from tests.models import CLASSES, keras, layers, tf
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer


def two_inputs_and_outputs():
    left, right = keras.Input((6,), name="left"), keras.Input((4,), name="right")
    joined = layers.Concatenate()(
        [layers.Dense(5, name="a")(left), layers.Dense(5, name="b")(right)]
    )
    kind = layers.Dense(CLASSES, activation="softmax", name="kind")(joined)
    size = layers.Dense(1, name="size")(joined)
    return [left, right], {"kind": kind, "size": size}


def named_data():
    x = {"left": vectors(), "right": vectors(size=4)}
    return x, {"kind": classes(), "size": vectors(size=1)}


LOSSES = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
WEIGHTS = {"kind": 1.0, "size": 0.5}


@pytest.mark.first_case
@pytest.mark.parametrize("form", ["dataset", "arrays"])
def test_inputs_and_outputs_by_name(form):
    inputs, outputs = two_inputs_and_outputs()
    model = keras.Model(inputs, list(outputs.values()))
    model.compile("sgd", LOSSES, metrics={"kind": ["acc"]}, loss_weights=WEIGHTS)
    data = named_data()
    if form == "dataset":
        data = tf.data.Dataset.from_tensor_slices(data).batch(8)
    trainer, last = trained(model, data)
    assert set(last.ticket.masks) == {
        f"{name}/kernel" for name in ("a", "b", "kind", "size")
    }
    assert {"loss", "kind_loss", "size_loss", "kind_acc"} <= set(last.outcome.metrics)
    assert trainer.monitors[0] == "kind_acc"


def test_a_model_whose_inputs_and_outputs_are_dicts():
    inputs, outputs = two_inputs_and_outputs()
    outputs = {"first": outputs["kind"], "second": outputs["size"]}
    model = keras.Model({t.name: t for t in inputs}, outputs)
    losses = dict(zip(outputs, LOSSES.values(), strict=True))
    model.compile("sgd", losses, metrics={"first": ["acc"]})
    x, y = named_data()
    y = {"first": y["kind"], "second": y["size"]}
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    expected = model.evaluate(dataset, return_dict=True, verbose=0)
    trainer = Trainer(model, dataset, Plan(), validation_data=dataset)
    found = trainer.evaluate(trainer.dense())
    assert found == pytest.approx({f"val_{k}": v for k, v in expected.items()})
    trained(model, dataset)


@pytest.mark.parametrize("kind", [list, tuple])
def test_inputs_by_position(kind):
    inputs, outputs = two_inputs_and_outputs()
    model = keras.Model(inputs, outputs["kind"])
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = named_data()[0]
    data = (kind([x["left"], x["right"]]), classes())
    _, last = trained(model, data)
    assert len(last.ticket.masks) == 3


def test_swapped_inputs_are_not_taken_for_data_without_batches():
    image, size = keras.Input((3, 2)), keras.Input((6,))
    joined = layers.Concatenate()([layers.Flatten()(image), size])
    model = keras.Model([image, size], layers.Dense(CLASSES, "softmax")(joined))
    model.compile("sgd", "sparse_categorical_crossentropy")
    swapped = [vectors(), vectors().reshape(-1, 3, 2)]
    with pytest.raises(ValueError, match="must fit the model's inputs") as error:
        Trainer(model, (swapped, classes()), Plan())
    assert "batched" not in str(error.value)


@pytest.mark.parametrize("rank", [1, 2])
def test_an_unbuilt_sequential_model_is_built_from_the_data_and_stays_unbuilt(rank):
    model = keras.Sequential(
        [layers.Dense(5, name="a"), layers.Flatten(), layers.Dense(CLASSES)]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = vectors() if rank == 1 else sequences()
    _, last = trained(model, (x, classes()))
    assert last.ticket.masks["a/kernel"].shape == (x.shape[-1], 5)
    assert not model.built


def test_an_unbuilt_model_takes_any_batch_size_afterwards():
    model = keras.Sequential([layers.Dense(5), layers.Dense(CLASSES)])
    model.compile("sgd", "sparse_categorical_crossentropy")
    data = tf.data.Dataset.from_tensor_slices((vectors(), classes()))
    trainer = Trainer(model, data.batch(8, drop_remainder=True), Plan())
    assert trainer.model.input_shape == (None, 6)
