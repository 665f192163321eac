"""Every recipe runs with smoke.flags, on made images: the smallest by default."""

from pathlib import Path

import numpy as np
import pytest

from tests.recipes.protocol_test import PRINTED
from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.cli.main import main, parse
from tf_lottery.run_dir.run_dir import RunDir
from tf_lottery.zoo import data

RECIPES = Path(__file__).parents[2] / "recipes"
USUAL = {"lenet_fashion_mnist"}


@pytest.fixture
def made(monkeypatch):
    """A few images in place of each data set."""

    def load(name, *_, **__):
        draw = np.random.default_rng(0)
        shape = (32, 32, 3) if name == "cifar10" else (28, 28, 1)

        def examples(number):
            images = draw.integers(0, 256, (number, *shape)).astype(np.uint8)
            return tf.constant(images), tf.constant(draw.integers(0, 10, number))

        return examples(256), examples(20), examples(20)

    monkeypatch.setattr(data, "load", load)
    data._examples.cache_clear()
    yield
    data._examples.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [n if n in USUAL else pytest.param(n, marks=pytest.mark.slow) for n in PRINTED],
)
def test_it_runs(name, made, tmp_path):
    told = [RECIPES / f"{name}.py", f"--flagfile={RECIPES}/smoke.flags"]
    told += [f"--run_dir={tmp_path}", "--steps=2", "--evaluate_every=2", "--verbose=0"]
    main(parse(["tf_lottery", "find", *map(str, told)]))
    history = RunDir(tmp_path).history()
    dense, sparse = history
    rates = PRINTED[name][2]
    assert dense.ticket.density == 1
    masks = sparse.ticket.masks
    assert masks.kept == history.plan.kept_at(1, masks.shapes)
    assert 0.79 < masks.density < (0.83 if "conv6" in name else 0.82)
    for path, mask in sparse.ticket.masks.items():
        if rates["logits"] == 0 and ("logits" in path or "shortcut" in path):
            assert mask.all()
    assert (tmp_path / "report.html").exists()
