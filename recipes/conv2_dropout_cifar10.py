"""Conv-2 on CIFAR-10, with dropout: figure 6 of the paper."""

import tf_keras as keras

from tf_lottery import Data, Plan
from tf_lottery.zoo import conv, data

PLAN = Plan(
    rounds=16,
    steps=60_000,
    pruning_rate=0.2,
    layer_rates={"conv_*": 0.1, "logits": 0.1},
    evaluate_every=100,
)


def model() -> keras.Model:
    return conv.conv_2(learning_rate=3e-4, dropout=True)


def dataset(seed: int) -> Data:
    return data.cifar10(batch_size=60, seed=seed)
