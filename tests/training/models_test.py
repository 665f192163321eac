from tests.models import arrays
from tf_lottery import Plan, Trainer
from tf_lottery._keras import keras


def unnamed():
    inputs = keras.Input((arrays()[0].shape[1],))
    hidden = keras.layers.Dense(4, activation="relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_a_function_gives_the_same_names_each_time_and_leaves_the_counters():
    before = keras.layers.Dense(1).name
    tickets = [Trainer(unnamed, arrays(), Plan()).dense() for _ in range(2)]
    assert list(tickets[0].masks) == ["dense/kernel", "dense_1/kernel"]
    assert tickets[0].masks.keys() == tickets[1].masks.keys()
    number = int(before.rpartition("_")[2]) if "_" in before else 0
    assert keras.layers.Dense(1).name == f"dense_{number + 1}"
