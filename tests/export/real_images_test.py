"""What TensorFlow runs, in a process without our packages, on a thousand images."""

import subprocess
import sys

import numpy as np
import pytest

from tests.models import images
from tf_lottery import export
from tf_lottery.zoo import lenet

FRESH = """
import os, sys
directory, *forms = sys.argv[1:]
os.environ["TF_USE_LEGACY_KERAS"] = "1" if forms == ["keras"] else "0"
blocked = {"tf_lottery", "tensorflow_model_optimization"}
blocked |= set() if forms == ["keras"] else {"tf_keras"}
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
import numpy as np
import tensorflow as tf
x, y = (np.load(f"{directory}/{name}.npy") for name in "xy")
for form in forms:
    if form == "keras":
        import tf_keras
        found = tf_keras.models.load_model(f"{directory}/lenet.keras")(x).numpy()
    else:
        loaded = tf.saved_model.load(f"{directory}/{form}")
        serve = loaded.signatures["serving_default"]
        found = serve(images=x)["logits"].numpy()
    print(np.abs(found - y).max())
"""


@pytest.fixture(scope="module")
def network():
    model = lenet.lenet_300_100()
    draw = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            kept = draw.random(weight.shape) < 0.036
            weight.assign(np.where(kept, weight.numpy(), 0))
    return model


@pytest.mark.slow
@pytest.mark.first_case
@pytest.mark.parametrize("forms", [["packed", "dense"], ["keras"]], ids=" ".join)
def test_a_thousand_images_give_the_same_outputs(network, tmp_path, forms):
    x = images(1000)
    options = {"data": x, "latency_runs": 0, "verbose": 0}
    for form in forms:
        if form == "keras":
            export.keras_file(network, tmp_path / "lenet.keras", **options)
        else:
            export.saved_model(network, tmp_path / form, layout=form, **options)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", network(x).numpy())
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(tmp_path), *forms],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert [float(line) for line in done.stdout.split()] == [0] * len(forms)
