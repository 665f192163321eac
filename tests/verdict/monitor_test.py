"""Which way a score is better, by its name."""

import pytest

from tf_lottery.core.plan import Plan
from tf_lottery.verdict.monitor import maximizes


@pytest.mark.parametrize(
    ("monitor", "maximize"),
    [
        ("val_accuracy", True),
        ("val_sparse_categorical_accuracy", True),
        ("val_top_k_categorical_accuracy", True),
        ("val_auc", True),
        ("val_f1_score", True),
        ("val_loss", False),
        ("loss", False),
        ("val_mean_absolute_error", False),
        ("val_mse", False),
        ("val_classifier_accuracy", True),
        ("val_classifier_loss", False),
        ("val_accuracy_head_loss", False),
    ],
)
def test_auto_knows(monitor, maximize):
    assert maximizes(monitor, Plan()) is maximize


@pytest.mark.parametrize(
    "monitor",
    ["val_error_type_accuracy", "val_mseg_accuracy", "val_loss_cause_auc"],
)
def test_an_outputs_name_does_not_turn_its_metric_around(monitor):
    assert maximizes(monitor, Plan())


@pytest.mark.parametrize("monitor", ["val_cosine_similarity", "val_mean_io_u", "val_x"])
def test_what_auto_does_not_know_is_an_error_that_says_what_to_do(monitor):
    with pytest.raises(ValueError, match='mode="max"') as error:
        maximizes(monitor, Plan())
    assert repr(monitor) in str(error.value)


def test_the_mode_decides_where_it_is_given():
    assert maximizes("val_loss", Plan(mode="max"))
    assert not maximizes("val_accuracy", Plan(mode="min"))
