"""Names that Keras counts stand for positions; the user's own stay."""

import pytest

from tf_lottery.core.naming import counted_base, stable_names

DENSE = ["Dense"]


@pytest.mark.parametrize("first", [0, 1, 7])
def test_counted_names_are_positions_wherever_keras_counted_from(first):
    names = [f"dense_{n}" if n else "dense" for n in range(first, first + 3)]
    assert stable_names((n, DENSE) for n in names) == ["dense", "dense_1", "dense_2"]


def test_names_of_the_users_stay():
    given = [("hidden", DENSE), ("dense_out", DENSE), ("conv2d_1", DENSE)]
    assert stable_names(given) == [name for name, _ in given]


def test_a_position_takes_no_name_that_a_user_gave():
    things = [("dense", DENSE), ("dense_1", ["Conv2D"]), ("dense_4", DENSE)]
    assert stable_names(things) == ["dense", "dense_1", "dense_2"]


def test_neighbours_of_one_name_differ():
    assert stable_names([("a", DENSE), ("a", DENSE)]) == ["a", "a_1"]


@pytest.mark.parametrize(
    ("name", "kind", "base"),
    [
        ("lstm_cell_3", "LSTMCell", "lstm_cell"),
        ("conv2d_12", "Conv2D", "conv2d"),
        ("batch_normalization_1", "BatchNormalization", "batch_normalization"),
        ("private__block_2", "_Block", "private__block"),
        ("tok_pos_2", "mine>TokPos", "tok_pos"),
        ("model_4", "Functional", "model"),
        ("input_3", "InputLayer", "input"),
        ("forward_lstm_2", "LSTM", "forward_lstm"),
        ("tf.math.add_2", "TFOpLambda", "tf.math.add"),
        ("auc_1", "AUC", "auc"),
        ("my_dense_1", "Dense", None),
        ("dense_a", "Dense", None),
    ],
)
def test_what_keras_could_have_counted(name, kind, base):
    assert counted_base(name, [kind]) == base
