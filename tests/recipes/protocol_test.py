"""Every recipe has the numbers of the paper's table 2 and figures 2, 5 to 8."""

from pathlib import Path

import numpy as np
import pytest

from tf_lottery.bindings.tf_keras._imports import keras
from tf_lottery.bindings.tf_keras.live import Live
from tf_lottery.bindings.tf_keras.tfmot.wrap import wrap
from tf_lottery.cli.main import parse
from tf_lottery.cli.recipes import load_recipe, model_of
from tf_lottery.zoo import data
from tf_lottery.zoo.schedules import StepDecay

RECIPES = Path(__file__).parents[2] / "recipes"
CONV = {"conv_*": 0.1, "logits": 0.1}
CONV_6 = {"conv_*": 0.15, "logits": 0.1}
RESNET = {"*/shortcut": 0.0, "logits": 0.0}
VGG = {"logits": 0.0}
RESNET_DROPS, VGG_DROPS = [20_000, 25_000], [56_000, 84_000]
# Steps, batch, rates of layers beside 20 %, learning rate, drops, warm-up, rewind.
PRINTED = {
    "lenet_mnist": (50_000, 60, {"logits": 0.1}, 1.2e-3, None, 0, 0),
    "lenet_fashion_mnist": (50_000, 60, {"logits": 0.1}, 1.2e-3, None, 0, 0),
    "conv2_cifar10": (20_000, 60, CONV, 2e-4, None, 0, 0),
    "conv4_cifar10": (25_000, 60, CONV, 3e-4, None, 0, 0),
    "conv6_cifar10": (30_000, 60, CONV_6, 3e-4, None, 0, 0),
    "conv2_dropout_cifar10": (60_000, 60, CONV, 3e-4, None, 0, 0),
    "conv4_dropout_cifar10": (75_000, 60, CONV, 2e-4, None, 0, 0),
    "conv6_dropout_cifar10": (90_000, 60, CONV_6, 2e-4, None, 0, 0),
    "resnet18_cifar10": (30_000, 128, RESNET, 0.1, RESNET_DROPS, 0, 0),
    "resnet18_low_rate_cifar10": (30_000, 128, RESNET, 0.01, RESNET_DROPS, 0, 0),
    "resnet18_warmup_cifar10": (30_000, 128, RESNET, 0.03, RESNET_DROPS, 20_000, 0),
    "resnet18_late_cifar10": (30_000, 128, RESNET, 0.1, RESNET_DROPS, 0, 500),
    "vgg19_cifar10": (112_000, 64, VGG, 0.1, VGG_DROPS, 0, 0),
    "vgg19_low_rate_cifar10": (112_000, 64, VGG, 0.01, VGG_DROPS, 0, 0),
    "vgg19_warmup_cifar10": (112_000, 64, VGG, 0.1, VGG_DROPS, 10_000, 0),
    "vgg19_late_cifar10": (112_000, 64, VGG, 0.1, VGG_DROPS, 0, 100),
}
# Of all kernels of a network.
SIZES = {
    "lenet": 266_200,
    "conv2": 4_300_992,
    "conv4": 2_425_024,
    "conv6": 2_261_184,
    "resnet18": 270_896,
    "vgg19": 20_024_000,
}
SWEEPS = {"lenet_rates"}
FLAGS = ("paper", "cpu", "smoke")


def recipe(name):
    return load_recipe(str(RECIPES / f"{name}.py"))


def model(name, plan=None):
    found = recipe(name)
    return model_of(found, plan or found.PLAN)()


def test_every_recipe_is_held_against_the_paper():
    found = {path.stem for path in RECIPES.glob("*.py")}
    assert found == set(PRINTED) | SWEEPS


@pytest.mark.parametrize("name", PRINTED)
def test_the_plan_is_the_papers(name):
    steps, _, rates, *_, rewind_to = PRINTED[name]
    plan = recipe(name).PLAN
    assert (plan.steps, plan.rewind_to) == (steps, rewind_to)
    assert plan.pruning_rate == 0.2
    assert dict(plan.layer_rates) == rates
    is_global = "resnet" in name or "vgg" in name
    assert plan.scope == ("global" if is_global else "layerwise")
    assert (plan.retrain, plan.criterion) == ("rewind", "magnitude")
    assert plan.evaluate_every == 100


@pytest.mark.parametrize("name", PRINTED)
def test_the_optimizer_is_the_papers(name):
    *_, rate, drops, warm_up, _ = PRINTED[name]
    optimizer = model(name).optimizer
    found = optimizer._learning_rate
    if drops is None:
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert float(found) == pytest.approx(rate)
        return
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert isinstance(found, StepDecay)
    assert found.get_config() == {
        "learning_rate": rate,
        "drops": drops,
        "warm_up": warm_up,
        "factor": 0.1,
    }


@pytest.mark.first_case
@pytest.mark.parametrize("name", PRINTED)
def test_the_layer_rates_are_of_layers_that_the_model_has(name):
    made = model(name)
    shapes = Live(wrap(made)).shapes
    paths = {path: int(np.prod(shape)) for path, shape in shapes.items()}
    assert set(paths) == {
        f"{layer.name}/kernel" for layer in made.layers if hasattr(layer, "kernel")
    }
    assert sum(paths.values()) == SIZES[name.split("_")[0]]
    dropout = [each for each in made.layers if isinstance(each, keras.layers.Dropout)]
    assert len(dropout) == (2 if "dropout" in name else 0)
    rates = recipe(name).PLAN.rates(paths)
    assert rates["logits/kernel"] == PRINTED[name][2]["logits"]
    left = {path for path, rate in rates.items() if rate == 0}
    assert left == {
        path
        for path in paths
        if ("shortcut" in path and "resnet" in name)
        or (path.startswith("logits") and ("resnet" in name or "vgg" in name))
    }


@pytest.mark.parametrize("name", PRINTED)
def test_the_data_are_batched_and_augmented_as_the_paper_does(name, monkeypatch):
    asked = {}
    kind = "cifar10" if "cifar10" in name else name.removeprefix("lenet_")

    def seen(batch_size, seed, **more):
        asked.update(more, batch_size=batch_size, seed=seed)

    monkeypatch.setattr(data, kind, seen)
    recipe(name).dataset(3)
    assert (asked["batch_size"], asked["seed"]) == (PRINTED[name][1], 3)
    assert asked.get("augment", False) == ("resnet" in name or "vgg" in name)


@pytest.mark.parametrize("name", ["resnet18_warmup_cifar10", "vgg19_warmup_cifar10"])
def test_a_schedule_shrinks_with_the_training(name):
    plan = recipe(name).PLAN
    whole = recipe(name).RATE
    tenth = model(name, plan.__class__(steps=plan.steps // 10)).optimizer._learning_rate
    assert tenth.drops == [drop // 10 for drop in whole.drops]
    assert tenth.warm_up == whole.warm_up // 10
    epochs = plan.__class__(epochs=2)
    shortest = model(name, epochs).optimizer._learning_rate
    length = 2 * recipe(name).EPOCH
    assert shortest.drops[0] == round(length * whole.drops[0] / plan.steps)


def test_an_epoch_of_a_schedule_is_that_of_the_data():
    for name, (_, batch, _, _, drops, _, _) in PRINTED.items():
        if drops:
            assert -(-45_000 // batch) == recipe(name).EPOCH


@pytest.mark.parametrize("name", FLAGS)
def test_flags_hold_for_every_recipe(name):
    from tf_lottery.cli import flags

    for each in PRINTED:
        path = RECIPES / f"{each}.py"
        told = ["tf_lottery", "find", str(path), f"--flagfile={RECIPES}/{name}.flags"]
        plan = flags.override(recipe(each).PLAN, parse(told))
        if name == "paper":
            assert (plan.replicates, plan.control_replicates) == (5, 3)
            assert plan.steps == PRINTED[each][0]
        if name == "cpu":
            assert (plan.rounds, plan.steps) == (7, 1_000)
            assert plan.control_rounds == (3, 7)
        if name == "smoke":
            assert (plan.rounds, plan.steps) == (1, 4)
