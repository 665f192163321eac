"""`tf_lottery sweep`: a real sweep on a little of MNIST, its report, its mistakes."""

import json
from pathlib import Path

import pytest

from tf_lottery.cli.main import main, parse

ROOT = Path(__file__).parents[2]
RECIPE = f"""
import importlib.util
from tf_lottery import Data, Plan
from tf_lottery.zoo import data, lenet

PLAN = Plan(rounds=2, steps=30, evaluate_every=10)

def model():
    return lenet.lenet_300_100()

def dataset(seed):
    given = data.mnist(
        batch_size=60, seed=seed, archives={str(ROOT / "recipes/data/mnist")!r}
    )
    return Data(given.train.take(30), given.validation.take(1), given.test.take(1))
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "little.py"
    path.write_text(RECIPE)
    return path


def run(*arguments):
    main(parse(["tf_lottery", "sweep", *map(str, arguments)]))


@pytest.mark.slow
def test_a_sweep_over_rates_of_mnist_is_reported_and_goes_on(recipe, tmp_path, capsys):
    arguments = [recipe, "--tuner=grid", "--vary", "pruning_rate=0.2,0.5,0.8"]
    arguments += [f"--directory={tmp_path}", "--verbose=2"]
    run(*arguments, "--max_trials=2")
    run(*arguments)
    printed = capsys.readouterr().out
    assert "round 0 is shared: it is in" in printed
    assert "Trained 7 of 9 trainings; the others were shared." in printed
    directory = tmp_path / "sweep_little"
    for name in ("report.html", "front.png", "trials.csv", "trials.json"):
        assert f"{directory / name}\n" in printed
    page = (directory / "report.html").read_text()
    assert "Lottery tickets of little" in page
    assert 'id="pareto"' in page
    assert "tf_lottery sweep" in page
    assert "--tuner=grid --vary pruning_rate=0.2,0.5,0.8" in page
    found = json.loads((directory / "trials.json").read_text())
    rates = {row["choice/pruning_rate"] for row in found["rounds"]}
    assert rates == {0.2, 0.5, 0.8}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--vary", "pruning_rate"], "must be like pruning_rate=0.1,0.2"),
        (["--vary", "rate=0.1,0.2"], "with a field of the plan"),
        (["--vary", "rounds=a,b"], "cannot be read"),
        (["--objective=fairness"], "is not known"),
        (["--objective=winning_score:up"], "must be min or max"),
        (["--objective=winning_score:min"], "winning_score' must be 'max'"),
        (["--vary", "rounds=1,2", "--rounds=1"], "either varied or fixed"),
        (["--vary", "controls=reinit"], "must be numbers or words"),
        (["--max_trials=0"], "must be at least 1. Received: 0"),
        (["--tuner=hyperband"], "Hyperband needs the length of a training in epochs"),
        (
            ["--tuner=hyperband", "--epochs=4", "--max_trials=3"],
            "itself decides",
        ),
    ],
)
def test_mistakes_are_one_line(recipe, tmp_path, flags, message):
    with pytest.raises(SystemExit, match=message) as stopped:
        run(recipe, f"--directory={tmp_path}", *flags)
    assert "\n" not in str(stopped.value)


SPACED = """
def space(hp):
    scope = hp.Choice("scope", ["layerwise", "global"])
    with hp.conditional_scope("scope", ["global"]):
        rate = hp.Choice("pruning_rate", [0.3, 0.4])
    more = {"pruning_rate": rate} if scope == "global" else {}
    return {"scope": scope, **more}
"""


@pytest.mark.slow
def test_a_plan_with_rates_of_layers_may_be_searched_globally_too(recipe, tmp_path):
    rated = tmp_path / "rated.py"
    plan = "PLAN = Plan(layer_rates={'logits': 0.1, 'dense_100': 0.0}, "
    rated.write_text(recipe.read_text().replace("PLAN = Plan(", plan))
    arguments = [rated, f"--directory={tmp_path}", "--tuner=grid", "--verbose=0"]
    run(*arguments, "--rounds=1", "--steps=5", "--vary", "scope=layerwise,global")
    found = json.loads((tmp_path / "sweep_rated" / "trials.json").read_text())
    assert {row["choice/scope"] for row in found["rounds"]} == {"layerwise", "global"}
    assert found["failed"] == []


@pytest.mark.slow
def test_a_recipes_plan_is_fixed_but_for_what_its_space_asks_for_on_a_condition(
    recipe, tmp_path
):
    spaced = tmp_path / "spaced.py"
    spaced.write_text(recipe.read_text() + SPACED)
    arguments = [spaced, f"--directory={tmp_path}", "--tuner=grid", "--verbose=0"]
    run(*arguments, "--rounds=1", "--steps=5", "--evaluate_every=5")
    found = json.loads((tmp_path / "sweep_spaced" / "trials.json").read_text())
    chosen = {
        (row["choice/scope"], row.get("choice/pruning_rate")) for row in found["rounds"]
    }
    assert chosen == {("layerwise", None), ("global", 0.3), ("global", 0.4)}


def test_without_keras_tuner_it_says_what_to_install(recipe, monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.startswith("tf_lottery.tuner")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "tf_lottery.cli.sweeping", raising=False)
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    with pytest.raises(SystemExit, match="the extra `tuner`"):
        run(recipe)
