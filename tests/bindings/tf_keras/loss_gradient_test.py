"""The criterion of a loss's gradient, of models that are not built yet."""

import numpy as np

import tf_lottery
from tests.models import arrays, compiled, keras


def test_the_gradient_of_an_unbuilt_model_is_that_of_the_built_one():
    dense = keras.layers.Dense
    model = compiled(keras.Sequential([dense(8, name="hidden"), dense(4, name="out")]))
    criterion = tf_lottery.gradient(model, arrays(32))
    ticket = tf_lottery.find_ticket(
        model, arrays(), 1, validation_data=arrays(32), criterion=criterion, verbose=0
    )
    model.build((None, arrays()[0].shape[1]))
    of_built = tf_lottery.gradient(model, arrays(32))(ticket, ticket.outcome)
    scores = criterion(ticket, ticket.outcome)
    assert scores.keys() == of_built.keys()
    assert all(np.array_equal(scores[path], of_built[path]) for path in scores)
