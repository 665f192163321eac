"""The gradient criterion: |w * dL/dw| of the trained weights."""

import numpy as np
import pytest

from tests.models import arrays, batches, compiled, keras, tf, tiny
from tf_lottery import Ticket, find_ticket
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.prune import prune
from tf_lottery.training.gradient import gradient
from tf_lottery.training.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Without")


def expected_scores(model, weights):
    for weight in model.weights:
        weight.assign(weights[weight.name.split(":")[0]])
    x, y = arrays()
    with tf.GradientTape() as tape:
        loss = model.loss(y, model(x))
    kernels = [layer.kernel for layer in model.layers]
    products = zip(kernels, tape.gradient(loss, kernels), strict=True)
    return [np.abs(w * g) for w, g in products]


def test_scores_are_weight_times_gradient_of_the_trained_network():
    model = compiled(tiny())
    before = model.get_weights()
    trainer = Trainer(model, batches(), Plan())
    outcome = trainer.train(trainer.dense())
    scores = gradient(model, arrays())(trainer.dense(), outcome)
    after = model.get_weights()
    assert all((a == b).all() for a, b in zip(after, before, strict=True))
    assert list(scores) == ["hidden/kernel", "logits/kernel"]
    expected = expected_scores(compiled(tiny()), outcome.weights)
    for mine, theirs in zip(scores.values(), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-7)


def test_removed_weights_do_not_count_in_the_loss():
    model = compiled(tiny())
    trainer = Trainer(model, batches(), Plan())
    dense = trainer.dense()
    outcome = trainer.train(dense)
    score = gradient(model, arrays())
    masks = prune(dense.masks, score(dense, outcome), 0.5)
    sparse = Ticket(masks, dense.state)
    scores = score(sparse, outcome)
    assert all(not scores[path][~masks[path]].any() for path in masks)


@pytest.mark.slow
def test_a_search_by_gradients_resumes_and_its_ticket_loads(tmp_path):
    def run():
        model = compiled(tiny(), keras.optimizers.SGD(0.1))
        return find_ticket(
            model,
            arrays(),
            1,
            criterion=gradient(model, arrays()),
            validation_data=arrays(32, 1),
            run_dir=tmp_path,
            verbose=0,
        )

    first, again = run(), run()
    assert first.masks == again.masks
    assert first.masks != Masks.full({p: m.shape for p, m in first.masks.items()})
    assert Ticket.load(tmp_path / "ticket.safetensors").masks == first.masks
