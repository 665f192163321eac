"""Runs SavedModels as a user without our packages would; run by `packed_test.py`.

python plain.py DIRECTORY

Each folder of it holds `model`, `inputs.npz` and, by number of examples,
`outputs_7.npz`. Writes `plain.json`: the largest difference of each, as text, since
it may be NaN; by `tf.saved_model.load` ("eager") and by the loader of TF 1, which
does what TensorFlow Serving does ("session").
"""

import gc
import json
import os
import pathlib
import re
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
BLOCKED = ("tf_lottery", "tensorflow_model_optimization", "tf_keras")


class Absent:
    """A finder by which packages are not there."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not here")


sys.meta_path.insert(0, Absent())

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

v1 = tf.compat.v1


def cases(directory):
    """By name: the SavedModel, and pairs of inputs and the outputs of these."""
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        inputs = np.load(folder / "inputs.npz")
        pairs = []
        for file in sorted(folder.glob("outputs_*.npz")):
            rows = int(file.stem.partition("_")[2])
            x = {argument(name): inputs[name][:rows] for name in inputs.files}
            pairs.append((x, dict(np.load(file))))
        yield folder.name, str(folder / "model"), pairs


def argument(name):
    """The name of an input as a signature has it."""
    return re.sub(r"\W", "_", f"arg_{name}" if name[0].isdigit() else name)


def difference(found, wanted):
    assert found.keys() == wanted.keys(), (found.keys(), wanted.keys())
    for name, array in wanted.items():
        assert found[name].shape == array.shape
    pairs = [(found[n].astype("f8"), wanted[n].astype("f8")) for n in wanted]
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def eager(serve, pairs):
    found = []
    for x, wanted in pairs:
        specs = serve.structured_input_signature[1]
        outputs = serve(**{name: tf.cast(x[name], specs[name].dtype) for name in specs})
        outputs = {n: tf.cast(t, tf.float64).numpy() for n, t in outputs.items()}
        found.append(difference(outputs, wanted))
    return max(found)


def session(active, scope, signature, pairs):
    found = []
    for x, wanted in pairs:
        feeds = {
            f"{scope}/{tensor.name}": x[argument(name)].astype(
                tf.as_dtype(tensor.dtype).as_numpy_dtype
            )
            for name, tensor in signature.inputs.items()
        }
        fetches = {n: f"{scope}/{t.name}" for n, t in signature.outputs.items()}
        outputs = active.run(fetches, feeds)
        found.append(difference(outputs, wanted))
    return max(found)


def main(directory):
    found = {}
    serves = {}
    for name, path, pairs in cases(directory):
        # Only the signatures stay: what they use must live as long as they.
        serves[name] = tf.saved_model.load(path).signatures["serving_default"]
        again = tf.saved_model.load(path)
        found[name] = {"twice": eager(again.signatures["serving_default"], pairs)}
    gc.collect()
    for name, _, pairs in cases(directory):  # after all others were loaded
        found[name]["eager"] = eager(serves[name], pairs)
    with tf.Graph().as_default(), v1.Session() as active:
        signatures = {}
        for name, path, _ in cases(directory):
            loaded = v1.saved_model.load(active, ["serve"], path, import_scope=name)
            signatures[name] = loaded.signature_def["serving_default"]
        for name, _, pairs in cases(directory):
            found[name]["session"] = session(active, name, signatures[name], pairs)
    (directory / "plain.json").write_text(
        json.dumps({n: {k: str(v) for k, v in d.items()} for n, d in found.items()})
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
