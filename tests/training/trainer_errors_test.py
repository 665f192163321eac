"""A training that goes wrong ends with an error of its round and step."""

import numpy as np
import pytest

from tests.models import (
    STEPS,
    Watch,
    arrays,
    batches,
    compiled,
    keras,
    tf,
    tiny,
)
from tests.training.trainings import overwrite, trainer_of
from tf_lottery import find_ticket
from tf_lottery.bindings.tf_keras.tfmot.wrap import mask_variables
from tf_lottery.core.plan import Plan
from tf_lottery.search.rounds import run_rounds
from tf_lottery.training.checkpoint import Checkpoint
from tf_lottery.training.trainer import Trainer

SGD = keras.optimizers.SGD


def test_a_callback_that_stops_early_is_an_error():
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100.0)
    trainer = trainer_of(compiled(tiny()), callbacks=[stop], epochs=4)
    with pytest.raises(RuntimeError, match=r"round 0 at step 12 .*allow_early_stop"):
        trainer.train(trainer.dense())


@pytest.mark.first_case
@pytest.mark.parametrize("evaluate_every", [None, 4, 100])
def test_a_callback_may_stop_early_if_allowed(evaluate_every):
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100.0)
    plan = Plan(epochs=4, rounds=1, evaluate_every=evaluate_every)
    trainer = Trainer(
        compiled(tiny()),
        batches(),
        plan,
        validation_data=batches(32, 1),
        callbacks=[stop],
        allow_early_stop=True,
    )
    outcome = trainer.train(trainer.dense())
    assert outcome.last_step == 2 * STEPS
    assert "val_loss" in outcome.metrics


class Poison(keras.callbacks.Callback):
    """Makes a bias NaN at the end of the first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.model.get_layer(index=-1).bias.assign([np.nan] * 3)


@pytest.mark.parametrize("where", ["loss", "val_loss"])
def test_a_loss_that_becomes_nan_stops_with_round_and_step(where):
    def callbacks(round, replicate, control):
        return [Poison()] if round == 1 else []

    trainer = trainer_of(
        compiled(tiny()), validation=batches(32, 1), callbacks=callbacks, epochs=3
    )
    with pytest.raises(FloatingPointError, match=r"round 1 by step \d+"):
        list(run_rounds(trainer, trainer.plan))


@pytest.mark.first_case
@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("where", ["loss", "val_loss"])
def test_a_loss_that_becomes_infinite_stops_with_round_and_step(where, value):
    def loss(y, outputs):
        return tf.reduce_mean(outputs) * 0 + tf.reduce_mean(y)

    def data(name):
        x, _ = arrays(32)
        return x, np.full(32, value if name == where else 0, np.float32)

    model = tiny()
    model.compile(SGD(0.0), loss)
    trainer = trainer_of(model, data("loss"), data("val_loss"))
    message = f"`{where}` became infinite in round 0 by step 1"
    with pytest.raises(FloatingPointError, match=message):
        trainer.train(trainer.dense())


class Unknown(keras.metrics.Mean):
    """A score that is NaN."""

    def update_state(self, y, outputs, sample_weight=None):
        return super().update_state(0.0)

    def result(self):
        return super().result() * np.nan


def with_unknown():
    return compiled(tiny(), metrics=["accuracy", Unknown(name="unknown")])


def searched(data=None, validation=None, **arguments):
    """A search of one pruning round."""
    return find_ticket(
        arguments.pop("model", None) or compiled(tiny()),
        data or batches(),
        1,
        validation_data=validation or batches(32, 1),
        verbose=0,
        **arguments,
    )


def test_a_monitored_score_that_is_nan_is_an_error_with_round_and_step():
    with pytest.raises(FloatingPointError, match=r"`val_unknown` .* round 0 by step 6"):
        searched(model=with_unknown(), monitor="val_unknown", mode="max")


def test_other_figures_that_are_nan_are_a_warning_with_round_and_name():
    with pytest.warns() as warned:
        searched(model=with_unknown(), test_data=batches(32, 2))
    texts = [str(each.message) for each in warned]
    for name in ("`val_unknown`", "`final_test_unknown`, `test_unknown`"):
        for number in (0, 1):
            expected = f"became NaN or infinite in round {number} by step {STEPS}"
            assert any(name in text and expected in text for text in texts), texts


class Passes:
    """Batches that change in a pass of the data, from the given one on."""

    def __init__(self, begin, change):
        self.number, self.begin, self.change = 0, begin, change

    def __call__(self):
        self.number += 1
        for number, batch in enumerate(batches().as_numpy_iterator()):
            if self.number >= self.begin and number == 2:
                if self.change == "raises":
                    raise KeyError("the file is gone")
                return
            if self.number >= self.begin and self.change == "is empty":
                return
            yield batch

    def dataset(self):
        spec = batches().element_spec
        return tf.data.Dataset.from_generator(self, output_signature=spec)


CHANGES = {
    "raises": "round 1 failed in steps? [12].* with .*KeyError: 'the file is gone'",
    "shrinks": r"promised, 6. Received: 2 in a pass of round 1, at step 2",
    "is empty": r"promised, 6. Received: 0 in a pass of round 1, at step 0",
}


@pytest.mark.first_case
@pytest.mark.parametrize("change", CHANGES)
def test_data_that_fail_in_a_later_round_are_one_error_with_round_and_step(change):
    data = Passes(2, change).dataset()
    with pytest.raises(RuntimeError, match=CHANGES[change]) as failed:
        searched(data.apply(tf.data.experimental.assert_cardinality(STEPS)))
    assert "Nothing is kept: pass `run_dir` to" in str(failed.value)
    assert "\n" not in str(failed.value) and "Detected at" not in str(failed.value)
    assert isinstance(failed.value.__cause__, tf.errors.OpError)


@pytest.mark.first_case
@pytest.mark.parametrize("group, where", [(1, "step 3"), (3, "steps 1 to 3")])
def test_the_steps_that_failed_are_named(group, where):
    """Of a group nobody knows which of its steps it was."""
    model = compiled(tiny(), steps_per_execution=group)
    data = Passes(1, "raises").dataset()
    promise = tf.data.experimental.assert_cardinality(STEPS)
    trainer = trainer_of(model, data.apply(promise), callbacks=[Watch()])
    with pytest.raises(RuntimeError, match=f"failed in {where} with") as failed:
        trainer.train(trainer.dense())
    assert "kept" not in str(failed.value)  # there is no search


def test_an_error_says_where_what_is_finished_is_kept(tmp_path):
    data = Passes(2, "raises").dataset()
    data = data.apply(tf.data.experimental.assert_cardinality(STEPS))
    said = f"What is finished is kept in '{tmp_path}/run'."
    with pytest.raises(RuntimeError, match=said):
        searched(data, run_dir=tmp_path / "run")


def test_data_that_end_in_an_eager_training_are_the_same_error():
    model = compiled(tiny(), run_eagerly=True)
    data = batches().take(4).apply(tf.data.experimental.assert_cardinality(STEPS))
    with pytest.raises(RuntimeError, match=r"6. Received: 4 .*round 0, at step 4"):
        searched(data, model=model)


@pytest.mark.first_case
@pytest.mark.parametrize(
    ("begin", "change", "message"),
    [
        (1, "is empty", "at least one batch.* 0 batches in round 0 at step 6"),
        (2, "is empty", "at least one batch.* 0 batches in round 1 at step 6"),
        (2, "shrinks", "6 batches, as at first.* 2 batches in round 1 at step 6"),
        (2, "raises", "round 1 failed after step 6 .*KeyError: 'the file is gone'"),
    ],
)
def test_validation_data_that_change_are_one_error(begin, change, message):
    with pytest.raises(RuntimeError, match=message):
        searched(validation=Passes(begin, change).dataset())


def test_a_full_disk_in_a_training_is_raised_as_it_is(monkeypatch, tmp_path):
    error = OSError(28, "No space left on device", "a/file")

    def full(self, run, live, **options):
        raise error

    monkeypatch.setattr(Checkpoint, "save", full)
    with pytest.raises(OSError) as raised:
        searched(run_dir=tmp_path, epochs=2)
    assert raised.value is error


def test_an_error_names_replicate_and_control():
    def callbacks(round, replicate, control):
        spoils = (round, replicate, control) == (1, 1, None)
        return [Poison()] if spoils or control else []

    plan = {"callbacks": callbacks, "replicates": 2, "controls": "shuffle"}
    with (
        pytest.warns(match="control shuffle of round 1 of replicate 0 by step"),
        pytest.raises(FloatingPointError, match="in round 1 of replicate 1 by step"),
    ):
        searched(**plan)


def broken_by(break_, epochs=1):
    """Trains with a callback that breaks something at the ends of round 1's epochs."""

    class Breaks(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            break_(self.model)

    def callbacks(round, replicate, control):
        return [Breaks()] if round == 1 else []

    trainer = trainer_of(compiled(tiny()), callbacks=callbacks, epochs=epochs)
    list(run_rounds(trainer, trainer.plan))


@pytest.mark.parametrize("epochs", [1, 2])
def test_weights_that_are_changed_behind_the_masks_are_an_error(epochs):
    with pytest.raises(RuntimeError, match="'logits/kernel' became nonzero in round 1"):
        broken_by(lambda model: overwrite(model.layers[-1].kernel, 1.0), epochs)


def test_masks_that_are_changed_are_an_error():
    def spoil(model):
        for masks in mask_variables(model).values():
            masks[0].assign(masks[0] * 0.5)

    message = r"other masks of 'hidden/kernel', 'logits/kernel' in round 1 at step 6"
    with pytest.raises(RuntimeError, match=message):
        broken_by(spoil)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (lambda model: model.compile("sgd", "mse"), "`model.compile`"),
        (lambda model: model.fit(*arrays(), verbose=0), "`model.fit`"),
        (lambda model: model.train_on_batch(*arrays()), "round 1 must end at step 6"),
    ],
)
def test_a_callback_that_compiles_or_trains_is_an_error(train, message):
    with pytest.raises(RuntimeError, match=message):
        broken_by(train)
