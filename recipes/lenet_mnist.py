"""LeNet-300-100 on MNIST: figures 1, 3 and 4 of the paper."""

from pathlib import Path

import tf_keras as keras

from tf_lottery import Data, Plan
from tf_lottery.zoo import data, lenet

ARCHIVES = Path(__file__).parent / "data" / "mnist"

PLAN = Plan(
    rounds=15,
    steps=50_000,
    pruning_rate=0.2,
    layer_rates={"logits": 0.1},
    evaluate_every=100,
)


def model() -> keras.Model:
    return lenet.lenet_300_100(learning_rate=1.2e-3)


def dataset(seed: int) -> Data:
    return data.mnist(batch_size=60, seed=seed, archives=ARCHIVES)
