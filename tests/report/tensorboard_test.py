import math
import sys

import pytest

from tests.fakes import history
from tests.report.frame_test import TWO
from tf_lottery import report

pytest.importorskip("tensorboard")


def events(path):
    """What TensorBoard finds in a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(path)).Reload()


def scalars(run, tag):
    return [(each.step, each.value) for each in events(run).Scalars(tag)]


def hyperparameters(run):
    """The hyperparameters of a run, as the plugin reads them."""
    from tensorboard.plugins.hparams import metadata

    content = events(run).summary_metadata[metadata.SESSION_START_INFO_TAG]
    info = metadata.parse_session_start_info_plugin_data(content.plugin_data.content)
    return {k: getattr(v, v.WhichOneof("kind")) for k, v in info.hparams.items()}


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("tensorboard")
    report.to_tensorboard(TWO, path)
    return path


def test_a_replicate_has_a_scalar_a_round(log_dir):
    found = scalars(log_dir / "replicate_1", "round/test_accuracy")
    assert found == [(n, pytest.approx(v)) for n, v in enumerate((0.82, 0.83, 0.81))]
    assert scalars(log_dir / "replicate_0", "round/density")[2] == (2, 0.25)


def test_a_control_has_a_run_of_its_own(log_dir):
    run = log_dir / "replicate_0" / "controls" / "reinit" / "draw_1"
    assert scalars(run, "round/test_accuracy") == [(1, pytest.approx(0.74))]


def test_a_training_has_learning_curves_by_step(log_dir):
    found = scalars(log_dir / "replicate_0" / "round_01", "val_loss")
    assert found == [(50, pytest.approx(0.3)), (100, pytest.approx(0.4))]


def test_a_training_has_the_plan_and_its_place_in_it(log_dir):
    run = log_dir / "replicate_0" / "controls" / "shuffle" / "round_02" / "draw_0"
    found = hyperparameters(run)
    assert found["control"] == "shuffle"
    assert (found["round"], found["density"]) == (2, 0.25)
    assert found["pruning_rate"] == 0.2
    assert "monitor" not in found  # None
    assert scalars(run, "outcome/test_accuracy") == [(100, pytest.approx(0.6))]


def test_replicates_differ_in_their_seeds(log_dir):
    seeds = {
        hyperparameters(log_dir / f"replicate_{n}/round_00")["seed"] for n in (0, 1)
    }
    assert len(seeds) == 2


def test_the_table_of_hyperparameters_shows_what_was_judged(log_dir):
    from tensorboard.plugins.hparams import metadata

    content = events(log_dir).summary_metadata[metadata.EXPERIMENT_TAG]
    found = metadata.parse_experiment_plugin_data(content.plugin_data.content)
    assert [each.name.tag for each in found.metric_infos] == [
        *("outcome/test_accuracy", "outcome/val_accuracy", "outcome/best_step")
    ]
    assert {"pruning_rate", "control"} <= {each.name for each in found.hparam_infos}


def test_writing_again_replaces_what_was_there(log_dir):
    before = sorted(path for path in log_dir.rglob("*") if path.is_file())
    report.to_tensorboard(TWO, log_dir)
    assert sorted(path for path in log_dir.rglob("*") if path.is_file()) == before
    assert len(scalars(log_dir / "replicate_1", "round/test_accuracy")) == 3


def test_a_score_that_is_no_number_stays_one(tmp_path):
    report.to_tensorboard(history([(1.0, math.nan, 1)]), tmp_path)
    ((_, value),) = scalars(tmp_path / "replicate_0", "round/val_accuracy")
    assert math.isnan(value)


def test_without_tensorboard_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard.plugins.hparams", None)
    with pytest.raises(ImportError, match=r"the extra `tensorboard`"):
        report.to_tensorboard(TWO, tmp_path)
