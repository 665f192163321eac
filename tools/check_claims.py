"""Compares a search of LeNet-300-100 on MNIST with what the paper says, claim by claim.

    .venv/bin/python tools/check_claims.py runs/lenet_mnist runs/lenet_mnist_one_shot

The second directory holds a one-shot search for each density (`tools/run_claims` makes
both). Writes claims.md and claims.json into --output, by default the first directory.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from _claims import CLAIMS
from _figures import Figures
from absl import app, flags

from tf_lottery.core.archive import PathLike, atomic, write_json
from tf_lottery.core.history import History
from tf_lottery.run_dir.run_dir import RunDir

FLAGS = flags.FLAGS


def check(history: History, one_shots: Sequence[History]) -> list[dict]:
    """A row a claim, as plain values."""
    figures = Figures(history, one_shots)
    rows = []
    for claim in CLAIMS:
        found = claim.check(figures)
        rows.append(
            {
                "where": claim.where,
                "claim": claim.says,
                "paper": claim.paper,
                "ours": found.ours,
                "verdict": found.verdict,
                "difference": found.spread.record() if found.spread else None,
            }
        )
    return rows


def table(rows: Sequence[dict]) -> str:
    """The rows as a Markdown table."""
    lines = ["| claim | the paper | here | |", "|---|---|---|---|"]
    lines += [
        f"| {row['claim']} ({row['where']}) | {row['paper']} | {row['ours']} "
        f"| **{row['verdict']}** |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def finished(run_dir: PathLike) -> History:
    """The history of a search that has nothing left to train."""
    directory = RunDir(run_dir)
    history = directory.history()
    if left := directory.left(history.plan):
        sys.exit(f"{run_dir} has {left} trainings left. Continue it, then check.")
    return history


def main(argv: Sequence[str]) -> None:
    if len(argv) not in (2, 3):
        sys.exit(__doc__)
    history = finished(argv[1])
    directories = sorted(Path(argv[2]).glob("*/plan.json")) if len(argv) == 3 else []
    one_shots = [finished(path.parent) for path in directories]
    plan = history.plan
    rows = check(history, one_shots)
    output = Path(FLAGS.output or argv[1])
    write_json(
        output / "claims.json",
        {"plan": plan.to_json(), "replicates": len(history.replicates), "claims": rows},
    )
    text = table(rows)
    with atomic(output / "claims.md") as temporary:
        temporary.write_text(text)
    print(text)


if __name__ == "__main__":
    flags.DEFINE_string("output", None, "Where claims.md and claims.json are written.")
    app.run(main)
