"""Depthwise kernels, which are pruned only where they are asked for."""

import pytest

import tf_lottery
from tests.bindings.tf_keras.pruned import (
    classes,
    classifier,
    image_model,
    images,
    masks_of,
    trained,
    vectors,
)
from tests.models import keras, layers


def depthwise():
    return image_model(
        layers.DepthwiseConv2D(3, name="depthwise"),
        layers.SeparableConv2D(4, 2, name="separable"),
    )


@pytest.mark.slow
def test_depthwise_kernels_are_left_alone_unless_asked_for():
    data = (images(), classes())
    usual = {"separable/pointwise_kernel", "logits/kernel"}
    assert masks_of(depthwise(), data) == usual
    assert masks_of(depthwise(), data, layer_rates={"logits": 0.4}) == usual
    asked = {"*/depthwise_kernel": 0.2}
    both = {"depthwise/depthwise_kernel", "separable/depthwise_kernel"}
    assert masks_of(depthwise(), data, layer_rates=asked) == usual | both
    one = {"depthwise/depthwise_kernel": 0.3}
    found = masks_of(depthwise(), data, layer_rates=one)
    assert found == usual | {"depthwise/depthwise_kernel"}
    left = {"*/depthwise_kernel": 0.0}
    _, last = trained(depthwise(), data, layer_rates=left)
    assert last.ticket.masks["depthwise/depthwise_kernel"].all()


def test_a_layer_that_is_called_like_a_depthwise_kernel_keeps_its_bias():
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, name="a_depthwise_kernel")(inputs)
    rates = {"a_depthwise_kernel": 0.5}
    model = classifier(inputs, hidden)
    found = masks_of(model, (vectors(), classes()), layer_rates=rates)
    assert found == {"a_depthwise_kernel/kernel", "logits/kernel"}


def test_depthwise_convolutions_are_not_named_as_what_cannot_be_pruned():
    trainer, _ = trained(depthwise(), (images(), classes()))
    assert not trainer._prepared.searched.skipped


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["magnitude", "gradient"])
def test_a_ticket_with_depthwise_kernels_can_be_used(tmp_path, criterion):
    model, data = depthwise(), (images(), classes())
    plan = {"layer_rates": {"*/depthwise_kernel": 0.5}, "pruning_rate": 0.5}
    if criterion == "gradient":
        criterion = tf_lottery.gradient(model, data)
    with pytest.warns(UserWarning):
        found = tf_lottery.find_ticket(
            model, data, 1, batch_size=8, criterion=criterion, verbose=0, **plan
        )
    found.save(tmp_path / "ticket.safetensors")
    again = tf_lottery.Ticket.load(tmp_path / "ticket.safetensors")
    for made in (found.model("best"), again.model("best"), found.apply(model, "best")):
        kernel = made.get_layer(index=1).layer.depthwise_kernel.numpy()
        assert not kernel[~found.masks["depthwise/depthwise_kernel"]].any()
    moved = tf_lottery.transfer(found, depthwise(), weights=True)
    assert moved.masks == found.masks
