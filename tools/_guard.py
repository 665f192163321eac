"""The regression guard behind `tools/bench`: ratios, beside those that are committed.

A step is timed by `bench_step.py`, a search by `bench_peers.py` in processor seconds,
which other work on the machine changes less. Ratios of things that take turns differ
little between machines; the table says how much worse one may be than committed.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _bench
import _peers
from _contestants import CONTESTANTS, TF_KERAS, fits_of, ours_of
from absl import app, flags

TOOLS = Path(__file__).resolve().parent
STEPS = {
    "step, tf_keras": ("--binding=tf_keras",),
    "step, tensorflow": ("--binding=keras3", "--backend=tensorflow"),
    "step, jax": ("--binding=keras3", "--backend=jax"),
    "step, torch": ("--binding=keras3", "--backend=torch"),
}
SEARCHES = {
    "search, tf_keras": TF_KERAS,
    "search, jax": "Keras 3 on jax",
}
PARTS = (*STEPS, *SEARCHES)

FLAGS = flags.FLAGS
flags.DEFINE_bool("check", False, "Fail if a ratio is worse than in the table.")
flags.DEFINE_bool("update", False, "Write the ratios into the table.")
flags.DEFINE_multi_enum("parts", [*PARTS], [*PARTS], "What to measure.")
flags.DEFINE_integer("turns", 12, "Of each variant of a step.", lower_bound=2)
flags.DEFINE_integer("repeats", 3, "Of each search.", lower_bound=1)
flags.DEFINE_integer("steps", 400, "Of a search's training; of 100s.", lower_bound=100)
flags.DEFINE_string("table", str(TOOLS / "bench_table.json"), "The committed ratios.")


def main(_: Any) -> None:
    found: dict[str, float] = {}
    for part in FLAGS.parts:
        needs = CONTESTANTS[ours_of(_keras(part))].needs
        if missing := [n for n in needs if importlib.util.find_spec(n) is None]:
            print(f"{part} is left out: {missing[0]} is not installed.")
            continue
        found |= of_step(part) if part in STEPS else of_search(part)
    if not found:
        sys.exit("Nothing was measured: install what one of the parts needs.")
    table = read(FLAGS.table)
    title = f"Ratios; at most {table['tolerance']:.0%} more than committed"
    _bench.show(title, rows(found, table), {})
    if FLAGS.update:
        write(FLAGS.table, table, found)
    if FLAGS.check and (lines := worse(found, table)):
        sys.exit("\n".join(lines))


def of_step(part: str) -> dict[str, float]:
    """The ratio of a masked step of LeNet-300-100 to a step of plain `fit`."""
    turns = f"--lenet_chunks={FLAGS.turns}"
    found = _run("bench_step.py", *STEPS[part], "--models=lenet", turns)["lenet"]
    return {
        f"{part}{_group(row)}": value[0]
        for row in found["rows"]
        if row.get("variant", row.get("model")) == "tf_lottery"
        for name, value in row.items()
        if name.startswith("ratio")
    }


def of_search(part: str) -> dict[str, float]:
    """The ratio of a search of two rounds to three plain fits."""
    keras = _keras(part)
    names = [f"--contestants={name}" for name in (fits_of(keras), ours_of(keras))]
    length = [f"--repeats={FLAGS.repeats}", f"--steps={FLAGS.steps}", "--rounds=2"]
    runs = _run("bench_peers.py", *names, *length)["runs"]
    seconds = _peers.seconds_of(runs, "cpu", lanes=1)
    return {part: _bench.ratio(seconds[ours_of(keras)], seconds[fits_of(keras)])[0]}


def worse(found: Mapping[str, float], table: Mapping[str, Any]) -> list[str]:
    """A line for each ratio that is worse than the table allows, or is not in it."""
    lines = []
    for name, ratio in found.items():
        if name not in table["ratios"]:
            lines.append(
                f"{name}: {ratio:.3f}, and the table has no such ratio. If it is new, "
                "run `tools/bench --update` on a machine that does nothing else."
            )
        elif ratio > (limit := _limit(table, name)):
            lines.append(
                f"{name}: {ratio:.3f} is worse than {limit:.3f}, which is the "
                f"committed {table['ratios'][name]:.3f} and {table['tolerance']:.0%}. "
                "Measure again on a machine that does nothing else; if it stays, find "
                "the change that made it slower."
            )
    return lines


def rows(found: Mapping[str, float], table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each ratio beside the committed one."""
    known = table["ratios"]
    return [
        {
            "what": name,
            "ratio": f"{ratio:.3f}",
            "committed": f"{known[name]:.3f}" if name in known else "",
            "limit": f"{_limit(table, name):.3f}" if name in known else "",
        }
        for name, ratio in found.items()
    ]


def read(path: str) -> dict[str, Any]:
    """The committed table: its tolerance, ratios, and what they were measured on."""
    table: dict[str, Any] = json.loads(Path(path).read_text())
    return table


def write(path: str, table: Mapping[str, Any], found: Mapping[str, float]) -> None:
    """Replaces ratios of the table by those found; others stay."""
    ratios = {**table["ratios"], **{name: round(r, 3) for name, r in found.items()}}
    content = {**table, "measured_on": _bench.environment(), "ratios": ratios}
    Path(path).write_text(json.dumps(content, indent=1) + "\n")


def _limit(table: Mapping[str, Any], name: str) -> float:
    return float(table["ratios"][name] * (1 + table["tolerance"]))


def _keras(part: str) -> str:
    keras = part.split(", ")[1]
    return keras if keras == TF_KERAS else f"Keras 3 on {keras}"


def _group(row: Mapping[str, Any]) -> str:
    group = row.get("steps per execution")
    return f", steps_per_execution {group}" if group else ""


def _run(tool: str, *arguments: str) -> Any:
    """What a benchmark writes as JSON."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "found.json"
        command = [sys.executable, TOOLS / tool, *arguments, f"--output={output}"]
        environment = {**os.environ, "PYTHONPATH": str(TOOLS.parent)}
        subprocess.run(command, check=True, env=environment)
        return json.loads(output.read_text())


if __name__ == "__main__":
    app.run(main)
