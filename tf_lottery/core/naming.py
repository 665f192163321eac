"""Names that survive copies: the user's own, and a position where Keras counted.

Keras numbers unnamed layers within a process: the same model, built a second time,
has a `dense_2` where it had a `dense`. So a name that Keras could have counted stands
for a position: the first layer of a class among its neighbours is `dense`, the second
one `dense_1`, in the order of the model.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

_HEADS = ("", "forward_", "backward_", "quant_")  # of wrappers that name by their layer
_MODELS = ("Functional", "Sequential", "Model")


def stable_names(
    things: Iterable[tuple[str, Sequence[str]]],
    counts: Mapping[str, int] | None = None,
    sizes: Iterable[Collection[int]] = (),
) -> list[str]:
    """The names of neighbours, equal in every copy.

    Args:
        things: Name and classes of each: its own, and those whose names it may have.
        counts: How many things there are that Keras counts together, neighbours and
            what is inside them, by their name without a number.
        sizes: The whole numbers that each thing is made with, such as its units. Names
            whose numbers are sizes and lie further apart than the counts, like
            `dense_300` and `dense_100` of so many units, were given.

    Example:
        >>> dense = ["Dense"]
        >>> stable_names([("dense_7", dense), ("dense_8", dense), ("out", dense)])
        ['dense', 'dense_1', 'out']
    """
    bases = [(name, counted_base(name, classes)) for name, classes in things]
    if counts is not None:
        given = _too_far_apart(bases, counts) & _say_sizes(bases, sizes)
        bases = [(name, None if base in given else base) for name, base in bases]
    taken = {name for name, base in bases if base is None}
    names: list[str] = []
    for name, base in bases:
        names.append(unique(name, names) if base is None else unique(base, taken))
        taken.add(names[-1])
    return names


def _too_far_apart(
    bases: Sequence[tuple[str, str | None]], counts: Mapping[str, int]
) -> set[str]:
    """The counted names whose numbers no single build of a model could have."""
    numbers: dict[str, list[int]] = {}
    for name, base in bases:
        if base is not None:
            numbers.setdefault(base, []).append(_number(name, base))
    return {
        base
        for base, found in numbers.items()
        if max(found) - min(found) >= max(counts.get(base, 0), len(found))
    }


def _say_sizes(
    bases: Sequence[tuple[str, str | None]], sizes: Iterable[Collection[int]]
) -> set[str]:
    """The counted names of which each ends in a size of its thing."""
    pairs = list(zip(bases, sizes, strict=True))
    others = {
        base for (name, base), of in pairs if base and _number(name, base) not in of
    }
    return {base for (_, base), _ in pairs if base} - others


def _number(name: str, base: str) -> int:
    return int(name.removeprefix(base).lstrip("_") or 0)


def counted_base(name: str, classes: Iterable[str]) -> str | None:
    """The name without its number, if Keras could have made it; else None."""
    if name.startswith("tf."):  # an operation as a layer, like tf.math.add_2
        return re.sub(r"_\d+$", "", name)
    for kind in classes:
        for base in _bases(kind):
            for head in _HEADS:
                if re.fullmatch(rf"{head}{re.escape(base)}(_\d+)?", name):
                    return f"{head}{base}"
    return None


def unique(name: str, taken: Collection[str]) -> str:
    """The name, with a number behind it where it is taken."""
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _bases(kind: str) -> list[str]:
    """What Keras calls an unnamed thing of that class, without the number."""
    if kind == "InputLayer":
        return ["input"]
    own = kind.rpartition(">")[2]  # without the package that it is registered in
    own = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", own)
    own = re.sub(r"([a-z])([A-Z])", r"\1_\2", own).lower()
    own = f"private{own}" if own.startswith("_") else own
    return [own, "model"] if kind in _MODELS else [own]
