"""Data that do not fit the model get one clear error before anything is trained."""

import keras
import numpy as np
import pytest

from tests.bindings.keras3 import forms, models
from tests.bindings.keras3.forms import EXAMPLES, X, Y, generated
from tests.bindings.keras3.models import BACKEND, CLASSES, FEATURES
from tf_lottery import Data, Plan, Trainer
from tf_lottery.bindings.shared import source

layers = keras.layers
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def classifier(loss=SPARSE):
    model = keras.Sequential(
        [keras.Input((FEATURES,), name="features"), layers.Dense(CLASSES)]
    )
    model.compile("sgd", loss)
    return model


def two_inputs():
    left, right = (keras.Input((FEATURES,), name=name) for name in ("left", "right"))
    outputs = layers.Dense(CLASSES)(layers.Concatenate()([left, right]))
    model = keras.Model({"left": left, "right": right}, outputs)
    model.compile("sgd", SPARSE)
    return model


def refused(model, data, said, error=ValueError, **more):
    with pytest.raises(error, match=said) as caught:
        Trainer(model, data, Plan(rounds=1), **more)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def batched(*parts):
    """The same rows as batches by their position."""

    class Dataset(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return tuple(keras.tree.map_structure(lambda a: a[:16], parts))

    return Dataset()


FORMS = {"arrays": lambda *parts: parts, "sequence": batched}
in_forms = pytest.mark.parametrize("form", FORMS)


def spoiled(value):
    x = X.copy()
    x[3, 2] = value
    return x


def test_x_alone_needs_a_model_that_brings_its_loss():
    refused(classifier(), X, r"must have targets y.*Pass \(x, y\)", TypeError)
    refused(classifier(), batched(X), r"must have targets y")


@in_forms
def test_inputs_of_another_shape(form):
    data = FORMS[form](X[:, :3], Y)
    refused(classifier(), data, r"must fit the model's inputs .*16.*3")


@in_forms
def test_inputs_that_are_not_finite(form):
    for value, kind in ((np.nan, "NaN"), (np.inf, "infinite")):
        refused(classifier(), FORMS[form](spoiled(value), Y), f"1 {kind} of")


@pytest.mark.parametrize("name", ["validation", "test"])
def test_each_part_of_the_data_is_named(name):
    for wrong in ((spoiled(np.nan), Y), (X, Y + 1), (X[:, :3], Y)):
        refused(classifier(), (X, Y), f"`{name}_data`", **{f"{name}_data": wrong})


@in_forms
def test_labels_that_are_no_class(form):
    for labels, found in ((Y + 1, CLASSES), (Y - 1, -1)):
        data = FORMS[form](X, labels)
        refused(classifier(), data, f"from 0 to {CLASSES - 1}.*Received: {found} in")


@in_forms
def test_one_hot_labels_and_class_numbers(form):
    one_hot = np.eye(CLASSES, dtype="float32")[Y]
    refused(classifier(), FORMS[form](X, one_hot), "They look one-hot")
    said = "need the loss sparse_categorical_crossentropy"
    categorical = keras.losses.CategoricalCrossentropy(from_logits=True)
    refused(classifier(categorical), FORMS[form](X, Y), said)


def test_targets_of_another_width_than_the_outputs():
    refused(classifier("mse"), (X, np.float32(Y)), "must fit the model, its loss")


@in_forms
def test_names_of_inputs_that_the_model_does_not_have(form):
    data = FORMS[form]({"left": X, "rigth": X}, Y)
    refused(two_inputs(), data, "'left', 'right'. Received: 'left', 'rigth'. Did you")


def test_rows_of_several_lengths():
    refused(classifier(), (X, Y[:-1]), "of one length")
    ragged = [[1.0]] * 3 + [[1.0, 2.0]]
    refused(classifier(), (ragged, Y[:4]), "rows have several lengths", TypeError)


def test_generators_that_cannot_be_read_again():
    said = "Pass a function of the seed that returns a generator"
    refused(classifier(), generated(0), said)
    more = {"validation_data": generated(0)}
    refused(classifier(), (X, Y), "must not be a generator", **more)


ENDLESS = {
    "sequence": forms.Endless,
    "dataset": lambda: forms.slices().batch(4).repeat(),
}


@pytest.mark.parametrize("form", ENDLESS)
def test_endless_data(form):
    said = "An endless dataset needs `steps_per_epoch`"
    refused(classifier(), ENDLESS[form](), said)
    for name in ("validation_data", "test_data"):
        said = f"`{name}` must have at least one batch, and an end. .* an endless one"
        refused(classifier(), (X, Y), said, **{name: ENDLESS[form]()})


def test_empty_datasets():
    def empty():
        return forms.slices().batch(4).take(0)

    refused(classifier(), empty(), "must have at least one batch")
    said = "`validation_data` must have at least one batch.* an empty dataset"
    refused(classifier(), (X, Y), said, validation_data=empty())


def test_evaluation_data_that_may_be_endless_are_said(monkeypatch):
    monkeypatch.setattr(source, "_LONG", 3)

    def dataset(seed):
        return Data((X, Y), generated(seed))

    said = r"`validation_data` are counted .* 3 so far.*endless.* data that end"
    with pytest.warns(UserWarning, match=said):
        Trainer(classifier(), dataset, Plan(rounds=1))


def test_a_batch_size_for_batches():
    with pytest.raises(ValueError, match="is batched already"):
        Trainer(classifier(), forms.Dataset(), Plan(batch_size=4))


def test_a_dataset_that_is_not_batched():
    refused(classifier(), forms.slices(), "Is the dataset batched")


def test_class_weights_that_do_not_fit():
    for weight in ({0: 1.0, 1: 2.0}, {1: 1.0}, {0: np.nan}):
        more = {"class_weight": weight}
        refused(classifier(), (X, Y), "class_weight", **more)
        if BACKEND != "tensorflow":  # labels of tensors are seen when they are read
            refused(classifier(), forms.Dataset(), "class_weight", **more)


def test_a_split_of_batches():
    more = {"validation_split": 0.5}
    refused(classifier(), forms.Dataset(), "`validation_split` is for arrays", **more)


def test_weights_of_examples_that_are_not_finite():
    weights = np.ones(EXAMPLES, "float32")
    weights[2] = np.nan
    refused(classifier(), (X, Y, weights), "sample weights of `dataset` must be finite")


def test_a_pass_of_another_length_is_one_error():
    class Shrinking(forms.Dataset):
        size = forms.STEPS

        def __len__(self):
            return self.size

        def on_epoch_end(self):
            self.size -= 1

    model = models.compiled(models.tiny())
    trainer = Trainer(model, Shrinking(), Plan(rounds=1, epochs=2))
    with pytest.raises(ValueError, match="as many batches in each pass"):
        trainer.train(trainer.dense())
