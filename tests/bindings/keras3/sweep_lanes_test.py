"""JAX: the trials of a sweep side by side are those that are searched alone."""

import json

import keras
import keras_tuner
import numpy as np
import pytest

from tests.bindings.keras3 import killing, models
from tests.bindings.keras3.models import BACKEND
from tf_lottery import LotteryTuner, Trainer, choices_of, lottery_objective
from tf_lottery.core.errors import PlanMismatchError
from tf_lottery.training import checkpoint

if BACKEND != "jax":
    pytest.skip("The engine of JAX.", allow_module_level=True)

from tf_lottery.bindings.keras3.engines.jax_lanes import Lanes

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket|A training")
RATES = (0.2, 0.4, 0.6)
SPACE = choices_of({"pruning_rate": RATES})
SEARCH = {
    "rounds": 2,
    "steps": 9,
    "evaluate_every": 2,
    "rewind_to": 3,
    "batch_size": 16,
    "controls": ["reinit"],
    "control_rounds": [2],
}
DATA = models.arrays(104)
PARTS = {
    "validation_data": models.arrays(40, seed=1),
    "test_data": models.arrays(40, seed=2),
}
ORACLES = {
    "grid": keras_tuner.oracles.GridSearchOracle,
    "random": keras_tuner.oracles.RandomSearchOracle,
    "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
}


def model(hp, dropout=0.2, units=32):
    inside = [
        keras.Input((models.FEATURES,)),
        keras.layers.Dense(units, "relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(models.CLASSES),
    ]
    return models.compiled(keras.Sequential(inside))


def tuner(directory, kind="grid", hypermodel=model, space=SPACE, **options):
    objective = lottery_objective("winning_score")
    oracle = ORACLES[kind](objective=objective, **options)
    return LotteryTuner(
        oracle, hypermodel, space=space, directory=directory, project_name="sweep"
    )


def swept(directory, search=None, **options):
    made = tuner(directory, **options)
    made.search(DATA, verbose=0, **{**SEARCH, **PARTS, **(search or {})})
    return made


def files(path):
    """What the run directories of a sweep hold, but for keys."""
    found = killing.files(path)
    for content in found.values():
        if isinstance(content, dict):
            content.pop("key", None)
    return {n: c for n, c in found.items() if not n.startswith("sweep/trainings")}


def scores(made):
    return {t.trial_id: (t.status, t.score) for t in made.oracle.trials.values()}


def numbers(path):
    """How many lanes the program of each trial had."""
    found = sorted(path.glob("sweep/trial_*/search/plan.json"))
    return [json.loads(each.read_text())["together"] for each in found]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    path = tmp_path_factory.mktemp("alone")
    made = swept(path)
    assert numbers(path) == [1, 1, 1]
    return made, files(path)


@pytest.fixture
def programs(monkeypatch):
    """How many trainings each program took steps for."""
    seen, taken = [], Lanes._taken_steps

    def counted(self, asked):
        seen.append(len(asked))
        return taken(self, asked)

    monkeypatch.setattr(Lanes, "_taken_steps", counted)
    return seen


@pytest.mark.first_case
@pytest.mark.parametrize("together", [2, 3])
def test_a_sweep_side_by_side_is_that_of_one_after_another(
    expected, tmp_path, programs, together
):
    alone, written = expected
    made = swept(tmp_path, {"together": together})
    assert files(tmp_path) == written
    assert scores(made) == scores(alone)
    assert numbers(tmp_path) == [together] * 3
    assert max(programs) == together


def test_trials_side_by_side_share_what_they_have_in_common(expected, tmp_path):
    alone, _ = expected
    made = swept(tmp_path, {"together": 3})
    # Of three trials of four trainings, one dense network is trained.
    assert made.sweep().cost() == alone.sweep().cost() == "trained 10 of 12 trainings"


@pytest.mark.slow
def test_a_sweep_that_was_stopped_continues_with_the_same_bits(
    tmp_path, monkeypatch, programs
):
    monkeypatch.setattr(checkpoint, "_SHARE", np.inf)
    given = {"hypermodel": lambda hp: model(hp, units=64)}  # whose lanes have own bits
    whole = swept(tmp_path / "whole", {"together": 2}, **given)
    counted = Lanes._taken_steps
    for stop in (3, 12, 9, 14):
        most = len(programs) + stop

        def stopping(self, asked, most=most):
            if len(programs) >= most:
                raise KeyboardInterrupt
            return counted(self, asked)

        monkeypatch.setattr(Lanes, "_taken_steps", stopping)
        with pytest.raises(KeyboardInterrupt):
            swept(tmp_path / "stopped", {"together": 2}, **given)
    monkeypatch.setattr(Lanes, "_taken_steps", counted)
    made = swept(tmp_path / "stopped", **given)  # the number is in its directory
    assert killing.files(tmp_path / "stopped") == killing.files(tmp_path / "whole")
    assert scores(made) == scores(whole)
    assert numbers(tmp_path / "stopped") == [2, 2, 2]


def test_another_number_is_another_sweep(tmp_path):
    given = {"controls": [], "control_rounds": None, "rounds": 1}
    swept(tmp_path, {"together": 2, **given})
    with pytest.raises(PlanMismatchError, match="trials side by side is 2 there and 3"):
        swept(tmp_path, {"together": 3, **given})


@pytest.mark.slow
def test_trials_of_other_models_are_trained_apart(tmp_path, programs, capsys):
    def either(hp):
        return model(hp, hp.Choice("dropout", [0.1, 0.2]))

    given = {"space": choices_of({"pruning_rate": RATES[:2]}), "hypermodel": either}
    search = {"controls": [], "control_rounds": None, "rounds": 1}
    made = tuner(tmp_path / "four", **given)
    made.search(DATA, verbose=1, **{**SEARCH, **PARTS, **search, "together": 4})
    said = "one model after another: 0000, 0002; 0001, 0003."
    assert said in capsys.readouterr().out
    swept(tmp_path / "one", search, **given)
    assert len(made.oracle.trials) == 4
    assert max(programs) == 2
    assert files(tmp_path / "four") == files(tmp_path / "one")


def test_trials_of_other_lengths_share_a_program(tmp_path, programs):
    given = {"space": choices_of({"steps": [6, 9, 12]})}
    search = {name: SEARCH[name] for name in ("evaluate_every", "batch_size")}

    def run(number):
        made = tuner(tmp_path / str(number), **given)
        made.search(DATA, **PARTS, **search, rounds=1, together=number, verbose=0)
        return files(tmp_path / str(number))

    assert run(3) == run(1)
    assert max(programs) == 3


@pytest.mark.slow
def test_trials_that_fail_leave_the_others(expected, tmp_path, monkeypatch):
    _, written = expected
    train = Trainer.train

    def failing(self, ticket, **options):
        if self.plan.pruning_rate == 0.4 and ticket.round == 1:
            raise FloatingPointError("The loss became NaN.")
        return train(self, ticket, **options)

    def space(hp):
        rate = hp.Choice("pruning_rate", [*RATES, 0.8])
        return {"pruning_rate": rate, "rewind_to": 99 if rate == 0.8 else 3}

    monkeypatch.setattr(Trainer, "train", failing)
    search = {k: v for k, v in SEARCH.items() if k != "rewind_to"}
    made = tuner(tmp_path, space=space)
    made.search(DATA, **PARTS, **search, together=4, verbose=0)
    status = [each for each, _ in scores(made).values()]
    assert status == ["COMPLETED", "FAILED", "COMPLETED", "FAILED"]
    reasons = [trial.reason for trial in made.sweep().failed]
    assert "NaN" in reasons[0]
    assert "before the last step" in reasons[1]
    for name, content in files(tmp_path).items():
        if "trial_0/" in name or "trial_2/" in name:
            assert content == written[name]


def test_auto_searches_one_after_another_on_a_cpu_and_says_so(tmp_path, capsys):
    made = tuner(tmp_path)
    given = {**SEARCH, **PARTS, "controls": [], "control_rounds": None, "rounds": 1}
    made.search(DATA, verbose=2, **given)
    assert "as a CPU gains nothing" in capsys.readouterr().out
    assert numbers(tmp_path) == [1, 1, 1]


def test_lines_say_of_which_trial_they_are(tmp_path, capsys):
    made = tuner(tmp_path)
    given = {**SEARCH, **PARTS, "controls": [], "control_rounds": None}
    made.search(DATA, verbose=1, together=3, **given)
    lines = capsys.readouterr().out.splitlines()
    for name in made.oracle.trials:
        assert sum(line.startswith(f"Trial {name}  round  ") for line in lines) == 3


def test_what_cannot_share_a_program_is_refused_before_any_trial(tmp_path):
    made = tuner(tmp_path)
    given = {**SEARCH, **PARTS, "callbacks": [keras.callbacks.Callback()]}
    with pytest.raises(ValueError, match=r"`together` must be 1 .*see one training"):
        made.search(DATA, verbose=0, together=2, **given)
    assert not made.oracle.trials


def test_a_worker_of_keras_tuner_searches_one_trial_at_a_time(tmp_path):
    made = tuner(tmp_path)
    made.is_worker = True
    with pytest.raises(ValueError, match=r"one process\. Received: together=2"):
        made.search(DATA, verbose=0, together=2, **SEARCH, **PARTS)
    assert not made.oracle.trials


@pytest.mark.parametrize("kind", ["random", "bayesian"])
def test_other_oracles_propose_several_trials_at_a_time(tmp_path, programs, kind):
    rates = choices_of({"pruning_rate": [n / 40 for n in range(4, 30)]})
    options = {"max_trials": 4, "seed": 3, "kind": kind, "space": rates}
    given = {"controls": [], "control_rounds": None, "rounds": 1}
    made = swept(tmp_path, {"together": 2, **given}, **options)
    assert {status for status, _ in scores(made).values()} == {"COMPLETED"}
    assert len(made.oracle.trials) == 4
    assert max(programs) == 2
