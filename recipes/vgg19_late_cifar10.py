"""VGG-19 on CIFAR-10, rewound to step 100 (arXiv 1903.01611)."""

import tf_keras as keras

from tf_lottery import Data, Plan
from tf_lottery.zoo import data, vgg
from tf_lottery.zoo.schedules import StepDecay

PLAN = Plan(
    rounds=20,
    steps=112_000,
    pruning_rate=0.2,
    layer_rates={"logits": 0.0},
    scope="global",
    rewind_to=100,
    evaluate_every=100,
)
RATE = StepDecay(0.1, drops=(56_000, 84_000))
EPOCH = 704  # steps


def model(plan: Plan) -> keras.Model:
    return vgg.vgg_19(RATE.scaled(plan.last_step(EPOCH) / PLAN.steps))


def dataset(seed: int) -> Data:
    return data.cifar10(batch_size=64, seed=seed, augment=True)
