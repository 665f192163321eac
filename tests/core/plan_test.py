"""The plan against the paper's figures, and against what people type."""

import dataclasses
import json
import os
import sys
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import block_sizes, extents, rates, scopes, sizes
from tf_lottery.core import criteria
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.core.plan_survivors import groups_at, miscount
from tf_lottery.core.prune import prune

# Kernels by the paper's tables (PAPER.md, section 3).
LENET = {"a/kernel": 784 * 300, "b/kernel": 300 * 100, "logits/kernel": 100 * 10}
CONV_2 = {
    "conv1/kernel": 9 * 3 * 64,
    "conv2/kernel": 9 * 64 * 64,
    "dense1/kernel": 16 * 16 * 64 * 256,
    "dense2/kernel": 256 * 256,
    "logits/kernel": 256 * 10,
}
CONV_4 = {
    **CONV_2,
    "conv3/kernel": 9 * 64 * 128,
    "conv4/kernel": 9 * 128 * 128,
    "dense1/kernel": 8 * 8 * 128 * 256,
}
RESNET_18 = {
    "conv/kernel": 9 * 3 * 16,
    **{f"block1/{n}/kernel": 9 * 16 * 16 for n in range(6)},
    "block2/0/kernel": 9 * 16 * 32,
    **{f"block2/{n}/kernel": 9 * 32 * 32 for n in range(1, 6)},
    "block3/0/kernel": 9 * 32 * 64,
    **{f"block3/{n}/kernel": 9 * 64 * 64 for n in range(1, 6)},
    "shortcut2/kernel": 16 * 32,
    "shortcut3/kernel": 32 * 64,
    "logits/kernel": 64 * 10,
}

_CONV = Plan(layer_rates={"conv*": 0.1, "logits": 0.1})
NETWORKS = {
    "LeNet": (Plan(layer_rates={"logits": 0.1}), LENET),
    "Conv-2": (_CONV, CONV_2),
    "Conv-4": (_CONV, CONV_4),
    "ResNet-18": (
        Plan(scope="global", layer_rates={"shortcut*": 0, "logits": 0}),
        RESNET_18,
    ),
    "global": (Plan(scope="global"), CONV_2),
}
ROUNDS = (1, 3, 5, 7, 9, 11, 12, 14, 15, 16)
PRINTED = {
    "LeNet": (80.0, 51.3, 32.9, 21.1, 13.5, 8.7, 7.0, 4.5, 3.6, 2.9),
    "Conv-2": (80.1, 51.4, 33.0, 21.2, 13.7, 8.8, 7.1, 4.6, 3.7, 3.0),
    "Conv-4": (81.1, 53.5, 35.6, 23.9, 16.2, 11.1, 9.2, 6.4, 5.4, 4.5),
    "ResNet-18": (80.2, 51.8, 33.6, 21.9, 14.4, 9.7, 8.0, 5.5, 4.7),
    "global": (80.0, 51.2, 32.8, 21.0, 13.4, 8.6, 6.9, 4.4, 3.5, 2.8),
}
GOLDEN = [
    pytest.param(*NETWORKS[name], number, percent, id=f"{name}-{number}")
    for name, column in PRINTED.items()
    for number, percent in zip(ROUNDS, column, strict=False)
]


def flat(sizes):
    """Shapes of arrays of these sizes."""
    return {path: (size,) for path, size in sizes.items()}


@pytest.mark.parametrize(("plan", "network", "number", "percent"), GOLDEN)
def test_densities_are_the_papers_to_the_printed_digit(plan, network, number, percent):
    assert f"{100 * plan.density_at(number, network):.1f}" == f"{percent:.1f}"


@pytest.mark.parametrize(("plan", "network", "number", "percent"), GOLDEN)
def test_whole_weights_come_to_the_papers_densities(plan, network, number, percent):
    density = plan.kept_at(number, flat(network)) / sum(network.values())
    assert f"{100 * density:.1f}" == f"{percent:.1f}"


@pytest.mark.parametrize(
    ("network", "total"),
    [(LENET, 266e3), (CONV_2, 4.3e6), (CONV_4, 2.4e6), (RESNET_18, 271e3)],
)
def test_the_networks_above_have_the_papers_sizes(network, total):
    assert sum(network.values()) == pytest.approx(total, rel=0.02)


@given(sizes, rates.filter(bool), scopes, st.integers(0, 6))
def test_kept_at_is_what_repeated_pruning_keeps(sizes, rate, scope, rounds):
    plan = Plan(pruning_rate=rate, scope=scope)
    masks = Masks.full(flat(sizes))
    scores = {path: np.arange(size) % 7.0 for path, size in sizes.items()}
    for _ in range(rounds):
        masks = prune(masks, scores, plan.rates(masks), scope=scope)
    assert plan.kept_at(rounds, flat(sizes)) == masks.kept


SHAPES = {
    "a/kernel": (24, 36),
    "odd/kernel": (25, 35),
    "conv/kernel": (3, 3, 4, 4),
    "bias": (12,),
}


@given(block_sizes, rates.filter(bool), st.integers(0, 6))
def test_kept_at_is_what_repeated_pruning_in_blocks_keeps(block_size, rate, rounds):
    plan = Plan(pruning_rate=rate, block_size=block_size)
    masks = Masks.full(SHAPES)
    scores = {
        path: np.arange(masks[path].size).reshape(s) for path, s in SHAPES.items()
    }
    for _ in range(rounds):
        masks = prune(masks, scores, plan.rates(masks), block_size=block_size)
    assert plan.kept_at(rounds, SHAPES) == masks.kept
    assert miscount(plan, rounds, masks) == ""


def test_the_recurrence_counts_blocks_and_where_there_are_none_weights():
    plan = Plan(block_size=(1, 4))
    shapes = {"a/kernel": (12, 3), "odd/kernel": (9, 4)}
    # 9 blocks: 9 - 2 = 7, 7 - 1 = 6; 36 weights: 36 - 7 = 29, 29 - 6 = 23.
    assert groups_at(plan, 1, shapes) == [(["a/kernel"], 28), (["odd/kernel"], 29)]
    assert groups_at(plan, 2, shapes) == [(["a/kernel"], 24), (["odd/kernel"], 23)]


@given(sizes, scopes, st.integers(0, 6))
def test_kept_at_leaves_layers_of_rate_zero_alone(sizes, scope, rounds):
    plan = Plan(scope=scope, layer_rates=dict.fromkeys(sizes, 0.0))
    assert plan.kept_at(rounds, flat(sizes)) == sum(sizes.values())


@given(sizes, rates.filter(bool), scopes, st.integers(0, 15))
def test_whole_weights_stay_near_the_closed_form(sizes, rate, scope, rounds):
    plan, total = Plan(pruning_rate=rate, scope=scope), sum(sizes.values())
    # A round is off by half a weight at most, and rounds before it shrink.
    error = len(sizes) * 0.5 * sum((1 - rate) ** n for n in range(rounds))
    kept = plan.kept_at(rounds, flat(sizes))
    assert abs(kept - total * plan.density_at(rounds, sizes)) <= error + 1e-6


def test_round_zero_is_dense():
    plan = Plan(layer_rates={"logits": 0.1})
    assert plan.density_at(0, LENET) == 1.0
    assert plan.kept_at(0, flat(LENET)) == 266200


# Which rate a weight has.


@pytest.mark.parametrize(
    ("key", "paths"),
    [
        ("logits", ["logits/kernel"]),
        ("logits/kernel", ["logits/kernel"]),
        ("block1", ["block1/conv/kernel", "block1/dense/kernel"]),
        ("block1/conv", ["block1/conv/kernel"]),
        ("block*", ["block1/conv/kernel", "block1/dense/kernel", "block2/conv/kernel"]),
        ("*conv", ["block1/conv/kernel", "block2/conv/kernel"]),
        ("block?/conv", ["block1/conv/kernel", "block2/conv/kernel"]),
    ],
)
def test_a_key_names_a_weight_a_layer_or_a_pattern(key, paths):
    everything = dict.fromkeys(
        [
            "block1/conv/kernel",
            "block1/dense/kernel",
            "block2/conv/kernel",
            "logits/kernel",
        ]
    )
    rates = Plan(layer_rates={key: 0.5}).rates(everything)
    assert [path for path, rate in rates.items() if rate == 0.5] == paths
    assert set(rates) == set(everything)


def test_a_layer_name_is_matched_as_a_whole():
    rates = Plan(layer_rates={"dense": 0.5}).rates(
        dict.fromkeys(["dense/k", "dense_1/k"])
    )
    assert rates == {"dense/k": 0.5, "dense_1/k": 0.2}


def test_the_first_key_that_matches_counts():
    paths = dict.fromkeys(["a1/kernel", "a2/kernel"])
    rates = Plan(layer_rates={"a1": 0.5, "a*": 0.1}).rates(paths)
    assert rates == {"a1/kernel": 0.5, "a2/kernel": 0.1}


@pytest.mark.parametrize("key", ["logit", "Logits", "dense_9/kernel", "kernel"])
def test_a_key_that_matches_nothing_is_an_error_that_names_it(key):
    with pytest.raises(ValueError, match="`layer_rates`") as error:
        Plan(layer_rates={"a": 0.1, key: 0.2}).rates(LENET)
    assert repr(key) in str(error.value)
    assert "'logits/kernel'" in str(error.value)


# Values that cannot work.


def _bad_values():
    counts = [0, -1, 1.5, "3", True, [3], float("nan")]
    fractions = [1, 1.5, 20, -0.1, "0.2", True, None, float("nan"), float("inf")]
    cases = [("rounds", value) for value in [*counts, None]]
    cases += [("epochs", value) for value in [*counts, None]]
    for name in ("steps", "steps_per_epoch", "batch_size", "evaluate_every"):
        cases += [(name, value) for value in counts]
    cases += [("pruning_rate", value) for value in [*fractions, 0, 0.0]]
    cases += [("layer_rates", {"logits": value}) for value in fractions]
    cases += [("layer_rates", value) for value in (0.1, "logits", {3: 0.1}, ["logits"])]
    cases += [("scope", value) for value in ("local", None, "", ["global"])]
    cases += [("retrain", value) for value in ("reset", None, True)]
    cases += [("mode", value) for value in ("maximum", None)]
    cases += [("criterion", value) for value in ("Magnitude", None, 3, ["magnitude"])]
    cases += [("block_size", value) for value in (4, "1,4", None, (4,), (1, 4, 1))]
    cases += [("block_size", (1, value)) for value in (*counts, None)]
    cases += [("rewind_to", value) for value in (-1, 1.5, None, True, "2 ep", "ep")]
    cases += [("tolerance", value) for value in (-0.1, float("nan"), None, "0.1")]
    cases += [("seed", value) for value in (-1, 1.5, None, "0", True, 2**63)]
    return cases


@pytest.mark.parametrize(("name", "value"), _bad_values())
def test_a_bad_value_is_an_error_that_names_the_argument_and_shows_it(name, value):
    with pytest.raises((ValueError, TypeError)) as error:
        Plan(**{name: value})
    assert f"`{name}`" in str(error.value)
    received = next(iter(value.values())) if isinstance(value, dict) else value
    assert repr(received) in str(error.value)


def test_percent_is_answered_with_the_fraction():
    with pytest.raises(ValueError, match=r"For 20 percent, write 0\.2\."):
        Plan(pruning_rate=20)


def test_rates_by_layer_are_refused_in_global_scope():
    with pytest.raises(
        ValueError, match=r"`layer_rates` may only be 0.*0\.1.*'logits'"
    ):
        Plan(scope="global", layer_rates={"logits": 0.1})


def test_blocks_are_refused_in_global_scope():
    with pytest.raises(ValueError, match=r"`block_size` must be \(1, 1\).*\(1, 4\)"):
        Plan(scope="global", block_size=(1, 4))


@pytest.mark.parametrize(
    "block_size", [(1, 4), [1, 4], (np.int64(1), np.uint8(4))], ids=repr
)
def test_a_block_size_becomes_a_tuple_of_two_integers(block_size):
    plan = Plan(block_size=block_size)
    assert plan == Plan(block_size=(1, 4))
    assert json.dumps(plan.to_json()["block_size"]) == "[1, 4]"
    assert [type(n) for n in (plan.block_size, *plan.block_size)] == [tuple, int, int]


@pytest.mark.parametrize("retrain", ["lr_rewind", "fine_tune"])
@pytest.mark.parametrize("rewind_to", [500, "1it", "2ep"])
def test_rewind_to_is_refused_where_nothing_is_rewound(retrain, rewind_to):
    with pytest.raises(ValueError, match="`rewind_to` only has a meaning") as error:
        Plan(retrain=retrain, rewind_to=rewind_to)
    assert repr(rewind_to) in str(error.value)


def test_a_plan_cannot_be_changed():
    rates = {"logits": 0.1}
    plan = Plan(layer_rates=rates)
    rates["logits"] = 0.5
    assert plan.layer_rates == {"logits": 0.1}
    with pytest.raises(AttributeError):
        plan.rounds = 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"rewind_to": "500it"}, {"rewind_to": 500}),
        ({"rewind_to": "0ep"}, {}),
        ({"rewind_to": "02ep"}, {"rewind_to": "2ep"}),
        ({"batch_size": 32}, {}),
    ],
)
def test_a_choice_written_in_another_way_is_the_same_plan(one, other):
    first, second = Plan(**one), Plan(**other)
    assert first.fingerprint == second.fingerprint
    assert first.differences(second) == []


def test_a_name_that_is_a_pattern_too_names_its_layer():
    rates = Plan(layer_rates={"a[0]": 0.5}).rates({"a[0]/kernel": 1, "a0/kernel": 1})
    assert rates == {"a[0]/kernel": 0.5, "a0/kernel": 0.5}


# On disk.


def our_criterion(ticket, outcome):
    return criteria.magnitude(ticket, outcome)


class OurCriterion:
    """A criterion with a setting."""

    def __init__(self, power):
        self.power = power

    def __call__(self, ticket, outcome):
        return {
            p: s**self.power for p, s in criteria.magnitude(ticket, outcome).items()
        }


plans = st.builds(
    Plan,
    rounds=st.integers(1, 30),
    steps=st.none() | st.integers(1, 10**9),
    evaluate_every=st.none() | st.integers(1, 1000),
    pruning_rate=st.floats(0.01, 0.99),
    layer_rates=st.dictionaries(st.text(min_size=1), st.floats(0, 0.99), max_size=3),
    criterion=st.sampled_from(["magnitude", "random", our_criterion]),
    block_size=block_sizes,
    rewind_to=st.integers(0, 1000) | st.sampled_from(["500it", "2ep"]),
    monitor=st.none() | st.just("val_loss"),
    mode=st.sampled_from(["auto", "min", "max"]),
    tolerance=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)


@given(plans, st.integers(1, 30))
def test_a_plan_survives_json(plan, epochs):
    if plan.steps is None:
        plan = dataclasses.replace(plan, epochs=epochs)
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert again.fingerprint == plan.fingerprint


def test_an_infinite_tolerance_survives_strict_json_or_is_refused():
    try:
        plan = Plan(tolerance=float("inf"))
    except ValueError as error:
        assert "`tolerance`" in str(error)
    else:
        text = json.dumps(plan.to_json(), allow_nan=False)
        assert Plan.from_json(json.loads(text)) == plan


def test_a_plan_with_a_local_criterion_can_be_read_again():
    # A search with a lambda must resume, and its ticket must load.
    plan = Plan(criterion=lambda ticket, outcome: outcome.weights)
    again = Plan.from_json(plan.to_json())
    assert again.fingerprint == plan.fingerprint


def test_a_criterion_with_settings_does_not_come_back_as_another_one():
    plan = Plan(criterion=OurCriterion(2))
    try:
        again = Plan.from_json(plan.to_json())
    except ValueError:
        return
    assert again.criterion == plan.criterion


def test_a_criterion_of_a_module_whose_name_is_no_identifier_is_found(monkeypatch):
    # `tf_lottery find my-recipe.py` makes such a module.
    recipe = types.ModuleType("recipe_my-recipe")
    recipe.score = lambda ticket, outcome: "found"
    monkeypatch.setitem(sys.modules, recipe.__name__, recipe)
    named = Plan.from_json({**Plan().to_json(), "criterion": "recipe_my-recipe:score"})
    assert named.criterion(None, None) == "found"
    nothing = Plan.from_json({**Plan().to_json(), "criterion": "recipe_my-recipe:"})
    with pytest.raises(ValueError, match="cannot be imported here"):
        nothing.criterion(None, None)


def test_reading_a_plan_imports_no_module_that_it_names(tmp_path, monkeypatch):
    # A plan comes from a ticket's file, which may be anyone's.
    (tmp_path / "hostile.py").write_text("import os; os.environ['RAN'] = 'yes'")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("RAN", "no")
    Plan.from_json({**Plan().to_json(), "criterion": "hostile:environ"})
    assert os.environ["RAN"] == "no"


# Which plans are the same search.

OTHERS = {
    "epochs": 2,
    "steps": 10,
    "steps_per_epoch": 10,
    "batch_size": 60,
    "evaluate_every": 100,
    "pruning_rate": 0.3,
    "layer_rates": {"logits": 0.1},
    "scope": "global",
    "criterion": "random",
    "block_size": (1, 4),
    "rewind_to": 500,
    "retrain": "fine_tune",
    "seed": 1,
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_training_depends_on_is_in_the_fingerprint(name):
    other = Plan(**{name: OTHERS[name]})
    assert other.fingerprint != Plan().fingerprint
    assert Plan().differences(other) == [name]


@pytest.mark.parametrize(
    "judged",
    [
        *({"rounds": 3}, {"monitor": "val_auc"}, {"mode": "max"}, {"tolerance": 0.1}),
        {"together": 8},
    ],
)
def test_what_only_judges_is_not(judged):
    assert Plan(**judged).fingerprint == Plan().fingerprint
    assert Plan(**judged).differences(Plan()) == []


def test_every_field_is_known_to_train_or_to_judge():
    judged = {"rounds", "monitor", "mode", "tolerance", "replicates"}
    judged |= {"controls", "control_rounds", "control_replicates", "together"}
    assert set(Plan().to_json()) == set(OTHERS) | judged


def test_the_order_of_layer_rates_is_part_of_the_plan_as_the_first_match_counts():
    one = Plan(layer_rates={"a1": 0.5, "a*": 0.1})
    two = Plan(layer_rates={"a*": 0.1, "a1": 0.5})
    assert one.rates({"a1/kernel": 1}) != two.rates({"a1/kernel": 1})
    assert one.fingerprint != two.fingerprint
    assert one.differences(two) == ["layer_rates"]


def test_bug_of_google_15_defaults_differ_from_the_papers():
    plan = Plan()
    assert (plan.pruning_rate, plan.scope) == (0.2, "layerwise")
    assert (plan.criterion, plan.retrain, plan.rewind_to) == ("magnitude", "rewind", 0)


@given(extents())
def test_equal_plans_have_equal_hashes(plan):
    assert hash(plan) == hash(Plan.from_json(plan.to_json()))
    assert len({plan, dataclasses.replace(plan, seed=plan.seed + 1)}) == 2
