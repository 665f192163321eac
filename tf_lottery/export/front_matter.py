"""The front matter of a model card: what the Hugging Face Hub reads, in YAML.

It is written by hand, as a reader completes it by hand: quoted text of JSON is text of
YAML, so no package is needed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tf_lottery.core.words import printable

TAGS = ("pruning", "lottery-ticket", "sparsity")


@dataclass(frozen=True)
class Score:
    """A metric of the file: its kind, its value, and the examples that gave it."""

    metric: str
    value: float
    examples: str


def front_matter(
    name: str, library: str | None, tags: Sequence[str], scores: Sequence[Score]
) -> str:
    """The front matter, between its lines of `---`.

    `library` is what loads the file. The license is a comment, as only the author can
    choose it. Without scores there is no `model-index`.
    """
    lines = [
        "---",
        "# AUTHOR: choose a license, and remove the # of the next line.",
        "# license: apache-2.0",
        *([f"library_name: {library}"] if library else []),
        "tags:",
        *(f"- {tag}" for tag in (*TAGS, *tags)),
    ]
    if scores:
        lines += ["model-index:", f"- name: {_quoted(name)}", "  results:"]
        for score in scores:
            lines += _result(score)
    return "\n".join([*lines, "---"])


def _result(score: Score) -> list[str]:
    return [
        "  - task:",
        "      type: other  # AUTHOR: such as image-classification",
        "    dataset:",
        f"      name: {_quoted(score.examples)}",
        "      type: unknown  # AUTHOR: the data set's name on the Hub",
        "    metrics:",
        f"    - type: {_quoted(score.metric)}",
        f"      value: {score.value:#.6g}",
    ]


def _quoted(text: str) -> str:
    return json.dumps(printable(text), ensure_ascii=False)
