"""Prints how far the masks of searches agree, round by round.

    .venv/bin/python tools/overlap.py RUN_DIR OTHER_RUN_DIR...

The weights that both masks keep, divided by those that either mask keeps.
"""

from absl import app

from tf_lottery.core.masks import Masks
from tf_lottery.run_dir.run_dir import RunDir


def main(arguments: list[str]) -> None:
    if len(arguments) < 3:
        raise app.UsageError("Two run directories or more, as the first lines say.")
    first, *others = (RunDir(path).history() for path in arguments[1:])
    print("round  density  " + "  ".join(arguments[2:]))
    for rounds in zip(first, *others, strict=False):
        one, *rest = (round.ticket.masks for round in rounds)
        found = "  ".join(f"{agreement(one, other):.5f}" for other in rest)
        print(f"{rounds[0].number:>5}  {one.density:7.1%}  {found}")


def agreement(one: Masks, other: Masks) -> float:
    """The weights that both keep, by those that either keeps."""
    both = sum(int((one[path] & other[path]).sum()) for path in one)
    return both / sum(int((one[path] | other[path]).sum()) for path in one)


if __name__ == "__main__":
    app.run(main)
