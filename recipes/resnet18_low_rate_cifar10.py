"""ResNet-18 on CIFAR-10, at the learning rate of 0.01: figure 8 of the paper."""

import tf_keras as keras

from tf_lottery import Data, Plan
from tf_lottery.zoo import data, resnet
from tf_lottery.zoo.schedules import StepDecay

PLAN = Plan(
    rounds=15,
    steps=30_000,
    pruning_rate=0.2,
    layer_rates={"*/shortcut": 0.0, "logits": 0.0},
    scope="global",
    evaluate_every=100,
)
RATE = StepDecay(0.01, drops=(20_000, 25_000))
EPOCH = 352  # steps


def model(plan: Plan) -> keras.Model:
    return resnet.resnet_18(RATE.scaled(plan.last_step(EPOCH) / PLAN.steps))


def dataset(seed: int) -> Data:
    return data.cifar10(batch_size=128, seed=seed, augment=True)
