"""A search and all that follows in a process that cannot import TensorFlow."""

import os
import pathlib
import sys
import tempfile

TENSORFLOW = {"tensorflow", "tf_keras", "tensorflow_model_optimization"}
asked = []


class Without:
    """A finder of modules that finds nothing of TensorFlow's."""

    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in TENSORFLOW:
            asked.append(name)
            return None
        return self._finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self._finder, name)


def command(*arguments):
    """Runs the command `tf_lottery` in this process."""
    from tf_lottery.cli.entry import run

    sys.argv = ["tf_lottery", *map(str, arguments)]
    try:
        run()
    except SystemExit as error:
        assert not error.code, error.code


def main():
    """Everything but a `.keras` file asks for nothing of TensorFlow's."""
    sys.meta_path[:] = map(Without, sys.meta_path)
    import keras

    from tests.bindings.keras3 import models
    from tf_lottery import find_ticket, load_history

    asked.clear()  # PyTorch looks for modules that it knows
    # etils, by which JAX' cache reads files, looks whether TensorFlow is installed.
    os.environ["EPATH_USE_TF"] = "false"
    directory = pathlib.Path(tempfile.mkdtemp())
    run_dir = directory / "run"

    def search(rounds):
        return find_ticket(
            models.compiled(models.tiny()),
            models.arrays(),
            rounds,
            epochs=1,
            controls="reinit",
            validation_data=models.arrays(32, seed=1),
            run_dir=run_dir,
            verbose=0,
        )

    search(1)
    ticket = search(1)
    assert len(load_history(run_dir)) == 2
    for name in ("show", "report", "verify"):
        command(name, run_dir)
    model = ticket.model()
    assert asked == [], asked
    model.save(directory / "ticket.keras")
    x, _ = models.arrays(4, seed=2)
    loaded = keras.saving.load_model(directory / "ticket.keras")
    outputs = [each.predict(x, verbose=0) for each in (loaded, model)]
    assert models.equal(outputs[:1], outputs[1:])
    assert not TENSORFLOW & {name.partition(".")[0] for name in sys.modules}
