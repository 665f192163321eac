"""The examples run, with fakes of their packages that record what is called."""

import contextlib
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_every_training_is_a_run_of_weights_and_biases(monkeypatch):
    runs = []

    class Run:
        def __init__(self, **given):
            self.given, self.logged, self.ended = given, [], False
            runs.append(self)

        def log(self, values, step):
            self.logged.append((step, values))

        def finish(self):
            self.ended = True

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=Run))
    example = runpy.run_path(str(EXAMPLES / "weights_and_biases.py"))
    example["main"](rounds=1, epochs=2)
    assert [run.given["config"]["round"] for run in runs] == [0, 1]
    for run in runs:
        assert run.ended
        assert [step for step, _ in run.logged] == [0, 1]
        assert all("val_accuracy" in values for _, values in run.logged)


def test_a_search_is_a_run_of_mlflow(monkeypatch, tmp_path):
    names, calls = [], []

    @contextlib.contextmanager
    def start_run(run_name, nested=False):
        names.append((run_name, nested))
        yield

    def recorded(name):
        return lambda *given, **more: calls.append((name, given, more))

    log = ("log_params", "log_metric", "log_metrics", "log_artifact")
    fake = SimpleNamespace(start_run=start_run, **{n: recorded(n) for n in log})
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    example = runpy.run_path(str(EXAMPLES / "mlflow_tracking.py"))
    ticket = example["main"](rounds=1, epochs=2, run_dir=str(tmp_path / "run"))
    assert names == [("search", False), ("round-0", True), ("round-1", True)]
    metrics = [given[0] for name, given, _ in calls if name == "log_metrics"]
    assert {"density": ticket.density, "won": float(ticket.won)} in metrics
    (artifact,) = [given[0] for name, given, _ in calls if name == "log_artifact"]
    assert Path(artifact).exists()
    steps = [more["step"] for name, _, more in calls if "step" in more]
    assert steps == [100, 200] * 2
