"""Which pruning rate to start with: LeNet-300-100 on MNIST, at six rates.

For `tf_lottery sweep`. Each rate goes on until about as few weights are left as
fifteen rounds at the paper's 20 % leave, so that rates are compared at equal size; the
output layer loses half as much of its weights in a round, as in the paper.
"""

import math
from pathlib import Path
from typing import Any

import tf_keras as keras

from tf_lottery import Data, Plan
from tf_lottery.zoo import data, lenet

ARCHIVES = Path(__file__).parent / "data" / "mnist"
RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
SURVIVORS = 0.8**15

PLAN = Plan(steps=3_000, evaluate_every=100)


def model() -> keras.Model:
    return lenet.lenet_300_100(learning_rate=1.2e-3)


def dataset(seed: int) -> Data:
    return data.mnist(batch_size=60, seed=seed, archives=ARCHIVES)


def space(hp: Any) -> dict[str, Any]:
    rate = hp.Choice("pruning_rate", list(RATES))
    return {
        "pruning_rate": rate,
        "layer_rates": {"logits": rate / 2},
        "rounds": round(math.log(SURVIVORS) / math.log1p(-rate)),
    }
