"""What trained is known: another backend or Keras cannot continue a search."""

import json

import pytest

from tests.bindings.keras3 import models
from tests.bindings.keras3.models import BACKEND
from tf_lottery import Plan, Trainer, bindings, find_ticket
from tf_lottery.core.errors import PlanMismatchError
from tf_lottery.run_dir.keys import Keys
from tf_lottery.run_dir.manifest import manifest_of

pytestmark = pytest.mark.filterwarnings("ignore:Without|No verdict|No ticket")

PACKAGES = {
    "tensorflow": {"tensorflow"},
    "jax": {"jax", "jaxlib"},
    "torch": {"torch"},
}
OTHER = ("keras", "other")


def search(run_dir, model=None):
    model = model or models.compiled(models.tiny())
    return find_ticket(model, models.arrays(), 1, epochs=1, run_dir=run_dir, verbose=0)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    search(path)
    return path


def test_a_run_directory_names_the_packages_that_trained(run_dir):
    versions = json.loads((run_dir / "plan.json").read_text())["versions"]
    assert versions.keys() == {"tf_lottery", "keras", *PACKAGES[BACKEND]}
    assert all(versions.values())


def test_another_backend_cannot_continue_a_search(run_dir, monkeypatch):
    monkeypatch.setattr(bindings.load("keras3"), "PACKAGES", OTHER)
    said = f"trained by .*{min(PACKAGES[BACKEND])}.* there and by keras, other here"
    with pytest.raises(PlanMismatchError, match=f"{said}.*KERAS_BACKEND"):
        search(run_dir)


def test_another_keras_cannot_continue_a_search(run_dir):
    tf_keras = pytest.importorskip("tf_keras")
    layers = tf_keras.layers
    hidden = layers.Dense(32, activation="relu", name="hidden")
    inside = [tf_keras.Input((models.FEATURES,)), hidden]
    model = tf_keras.Sequential([*inside, layers.Dense(models.CLASSES, name="logits")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with pytest.raises(
        PlanMismatchError, match=r"keras.* there and by .*tf_keras here"
    ):
        search(run_dir, model)


def test_trainings_of_other_backends_are_not_shared():
    plan = Plan()
    trainer = Trainer(models.compiled(models.tiny()), models.arrays(), plan)
    ticket, facts = trainer.dense(), trainer.facts
    others = {**facts, "packages": OTHER}
    mine, again, theirs = (
        Keys(manifest_of(plan, **each)).key(ticket, plan)
        for each in (facts, facts, others)
    )
    assert mine == again != theirs
