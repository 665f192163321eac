"""The notebooks of examples/ run in a clean kernel, in time, and are readable."""

import re
import time
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="The extra `test`.")
nbclient = pytest.importorskip("nbclient", reason="The extra `test`.")
pytest.importorskip("ipykernel", reason="The extra `test`.")
pytest.importorskip("pandas", reason="The extra `test`.")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
LIMIT = 60 + 120  # seconds; the second is for a machine that does other work, too
LARGEST = 300_000  # bytes of a notebook with its outputs
CONTROL = re.compile(r"[^\n\t -\U0010ffff]|[\x7f-\x9f]")
# What each notebook is for: the cell, and the kind of output that it must have.
SHOWN = {
    "a_sweep": {"table": "stream", "figure": "image/png", "frame": "text/html"},
    "to_a_phone": {"export": "text/html", "run": "stream"},
    "your_own_model": {"ticket": "text/html", "figure": "image/png"},
}


def outputs(notebook):
    """Each output with the id of its cell."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [(cell.id, output) for cell in cells for output in cell.outputs]


def text(output):
    """What an output says in letters."""
    if output.output_type == "stream":
        return output.text
    return "".join(v for k, v in output.data.items() if k.startswith("text/"))


def check(notebook, name):
    """Raises where an output cannot be read, or what the notebook is for is missing."""
    found = outputs(notebook)
    assert [o for _, o in found if o.output_type == "error"] == []
    own = [text(o) for _, o in found if o.get("name") != "stderr"]  # TensorFlow's own
    assert [t for t in own if CONTROL.search(t)] == []
    kinds = {(cell, kind) for cell, o in found for kind in o.get("data", ["stream"])}
    assert kinds >= set(SHOWN[name].items())


def test_every_notebook_has_an_expectation():
    assert {path.stem for path in NOTEBOOKS} == SHOWN.keys()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_small_and_with_its_outputs(path):
    assert path.stat().st_size < LARGEST
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    check(notebook, path.stem)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_a_clean_kernel(path, tmp_path, monkeypatch):
    folder = tmp_path / "examples" / "notebooks"  # nothing is written to the checkout
    folder.mkdir(parents=True)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("TF_USE_LEGACY_KERAS", "KERAS_BACKEND", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)  # set for tests, not for users
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    started = time.monotonic()
    client = nbclient.NotebookClient(
        notebook,
        timeout=LIMIT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    assert time.monotonic() - started < LIMIT
    check(notebook, path.stem)
