"""`find_ticket` on tiny data: from a Keras model to a file, a report, a verdict."""

import pathlib

import numpy as np
import pytest

import tf_lottery
from tests.models import arrays, batches, compiled, equal, keras, tiny, with_state
from tf_lottery import Ticket, find_ticket, one_shot
from tf_lottery.run_dir.run_dir import RunDir

pytestmark = pytest.mark.filterwarnings("ignore:No ticket|The ticket matches|Without")


def search(model=None, **arguments):
    plan = {"rounds": 3, "epochs": 2, "batch_size": 16, "verbose": 0} | arguments
    plan.setdefault("validation_data", arrays(32, 1))
    return find_ticket(model or compiled(tiny()), arrays(), **plan)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A search in a run directory."""
    path = tmp_path_factory.mktemp("run")
    with pytest.warns(UserWarning):
        ticket = search(
            run_dir=path, test_data=arrays(48, 2), tolerance=0.0, monitor="val_loss"
        )
    return ticket, path


def test_the_densities_are_the_plans(found):
    ticket, _ = found
    shapes = ticket.masks.shapes
    for round in ticket.history:
        assert round.ticket.masks.kept == ticket.plan.kept_at(round.number, shapes)
    kept = [round.ticket.masks.kept for round in ticket.history]
    assert kept == [55, 44, 36, 29]


def test_masks_are_nested_and_survivors_start_from_the_same_weights(found):
    first, *others = found[0].history
    before = first
    for round in others:
        assert round.ticket.masks.issubset(before.ticket.masks)
        for path, mask in round.ticket.masks.items():
            start = round.ticket.weights[path]
            assert (start[mask] == first.ticket.state[path][mask]).all()
            assert not start[~mask].any()
            assert not round.outcome.weights[path][~mask].any()
        before = round


def test_negative_weights_are_trained_too(found):
    """A popular toy froze them."""
    round = found[0].history[1]
    for path, mask in round.ticket.masks.items():
        start, end = round.ticket.weights[path][mask], round.outcome.weights[path][mask]
        assert (start[start < 0] != end[start < 0]).mean() > 0.9


def test_the_directory_holds_what_the_search_found(found):
    ticket, path = found
    loaded = Ticket.load(path / "ticket.safetensors")
    loaded.verify()
    assert loaded.masks == ticket.masks
    assert loaded.reason == ticket.reason
    history = RunDir(path).history()
    for mine, theirs in zip(history, ticket.history, strict=True):
        assert mine.ticket.masks == theirs.ticket.masks
        assert equal(dict(mine.outcome.weights), dict(theirs.outcome.weights))
    names = {"ticket.safetensors", "outcome.safetensors", "metrics.json"}
    rounds = sorted((path / "replicate_0").iterdir())
    assert [r.name for r in rounds] == [f"round_{n:02d}" for n in range(4)]
    assert all({p.name for p in r.iterdir()} == names for r in rounds)


def test_every_ticket_of_the_history_can_be_trained(found):
    model = found[0].history[-1].ticket.model()
    before = found[0].history[-1].ticket.masks["hidden/kernel"]
    model.fit(*arrays(), verbose=0)
    kernel = model.get_layer(index=0).layer.kernel.numpy()
    assert not kernel[~before].any()


def test_the_same_search_gives_the_same_ticket():
    first, second = search(compiled(with_state())), search(compiled(with_state()))
    assert first.masks == second.masks
    assert equal(first.outcome.weights, second.outcome.weights)


@pytest.mark.slow
def test_another_seed_sees_the_data_in_another_order():
    first, second = search(seed=0), search(seed=1)
    mine, theirs = (
        t.history[0].outcome.weights["hidden/kernel"] for t in (first, second)
    )
    assert (mine != theirs).any()


def test_the_history_outlives_the_temporary_directory_of_a_search():
    ticket = search()
    assert np.isfinite(ticket.history[0].outcome.weights["hidden/kernel"]).all()


def test_a_won_ticket_is_one_that_matches_early_and_is_small():
    ticket = search(tolerance=10.0, pruning_rate=0.5)
    dense, best = ticket.history[0].outcome, ticket.outcome
    assert ticket.won == (ticket.density <= 0.5 and best.best_step <= dense.best_step)


def test_without_validation_data_no_ticket_wins():
    with pytest.warns(UserWarning, match="no ticket can be called winning"):
        ticket = search(validation_data=None, tolerance=10.0)
    assert not ticket.won
    assert "No verdict" in ticket.reason


@pytest.mark.parametrize(
    "criterion",
    [
        "movement",
        "random",
        pytest.param("magnitude_increase", marks=pytest.mark.slow),
        pytest.param("initial_magnitude", marks=pytest.mark.slow),
    ],
)
def test_every_criterion_runs(criterion):
    assert search(criterion=criterion, rounds=1).history[1].ticket.masks.kept == 44


def by_position(ticket, outcome):
    """A criterion of one's own."""
    return {
        path: np.arange(mask.size, dtype=np.float32).reshape(mask.shape)
        for path, mask in ticket.masks.items()
    }


def test_a_criterion_may_be_any_callable():
    masks = search(criterion=by_position, rounds=1, pruning_rate=0.5).history[1].ticket
    assert not masks.masks["hidden/kernel"].reshape(-1)[:20].any()
    assert masks.masks["hidden/kernel"].reshape(-1)[20:].all()


def test_global_scope_ranks_all_layers_together():
    ticket = search(scope="global", rounds=1, pruning_rate=0.5)
    dense, sparse = ticket.history
    scores = np.concatenate(
        [np.abs(dense.outcome.weights[p]).ravel() for p in sparse.ticket.masks]
    )
    kept = np.concatenate([m.ravel() for m in sparse.ticket.masks.values()])
    assert scores[kept].min() >= scores[~kept].max()
    assert sparse.ticket.masks.kept == 55 - round(0.5 * 55)


def test_layers_have_rates_of_their_own():
    ticket = search(layer_rates={"logits": 0.0, "hid*": 0.5}, rounds=2)
    kept = ticket.history[2].ticket.masks.kept_by_layer()
    assert kept == {"hidden/kernel": 10, "logits/kernel": 15}


def test_a_search_that_cannot_remove_more_ends_with_a_warning():
    with pytest.warns(UserWarning, match=r"The search ended.*'logits/kernel'"):
        ticket = search(rounds=10, pruning_rate=0.9)
    assert len(ticket.history) < 11


def test_one_shot_prunes_once(found):
    ticket = one_shot(compiled(tiny()), batches(), 0.8, verbose=0)
    assert [round.ticket.masks.kept for round in ticket.history] == [55, 11]


def test_a_search_in_blocks_keeps_whole_blocks():
    ticket = one_shot(compiled(tiny()), batches(), block_size=(1, 4), verbose=0)
    kernel = ticket.outcome.weights["hidden/kernel"]
    blocks = kernel.reshape(2, 4, 5) != 0  # four inputs, five units
    assert np.unique(blocks.sum(axis=1), return_counts=True)[1].tolist() == [8, 2]
    assert ticket.masks.kept_by_layer() == {"hidden/kernel": 8, "logits/kernel": 3}


def test_run_rounds_can_be_stopped_anywhere():
    plan = tf_lottery.Plan(rounds=10)
    trainer = tf_lottery.Trainer(compiled(tiny()), batches(), plan)
    for round in tf_lottery.run_rounds(trainer, plan):
        if round.ticket.density < 0.6:
            break
    assert round.number == 3


def test_a_search_prints_a_line_a_round(capsys):
    search(verbose=2, rounds=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 trainings of 12 steps")
    assert [line.split()[1] for line in lines if line.startswith("round")] == [
        "0/2",
        "1/2",
        "2/2",
    ]


def test_a_silent_search_prints_nothing(capsys):
    search(verbose=0, rounds=1)
    assert capsys.readouterr().out == ""


def test_skipped_layers_are_named_once(capsys):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(8, name="hidden"),
            layers.Reshape((4, 2)),
            layers.PReLU(name="slopes"),
            layers.Flatten(),
            layers.Dense(3, name="logits"),
        ]
    )
    search(compiled(model), verbose=2, rounds=1)
    assert capsys.readouterr().out.count("slopes (PReLU)") == 1


@pytest.mark.slow
def test_a_replaced_search_leaves_the_files_of_others(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    search(run_dir=tmp_path, rounds=1)
    search(run_dir=tmp_path, rounds=1, pruning_rate=0.5, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert RunDir(tmp_path).history().plan.pruning_rate == 0.5


def test_the_run_directory_may_be_given_as_text(tmp_path):
    search(run_dir=f"{tmp_path}/a/b", rounds=1)
    assert pathlib.Path(tmp_path, "a/b/ticket.safetensors").exists()
