"""Names of layers that are equal in every copy of a model.

Keras numbers unnamed layers globally within a process: the same model, built a second
time, has a `dense_2` where it had a `dense`. Here, a name that Keras could have made is
replaced by a position: the first layer of a class among its neighbours is `dense`, the
second one `dense_1`, in the order of the model. Names that a user gave stay.
"""

import fnmatch
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

# Of wrappers that are named after their layer.
_HEADS = ("", "forward_", "backward_", "quant_")
_MODELS = ("Functional", "Sequential", "Model")


def stable_names(
    things: Iterable[tuple[str, Sequence[str]]],
    counts: Mapping[str, int] | None = None,
    sizes: Iterable[Collection[int]] = (),
) -> list[str]:
    """The names of neighbours, equal in every copy.

    Args:
        things: For each thing its name, and the classes that Keras may have named it
            by.
        counts: For each name without its number, how many things Keras numbers
            together: neighbours and things inside them.
        sizes: For each thing the integers in its configuration, such as its units. If
            numbers in names are sizes, and differ by more than the counts, as in
            `dense_300` and `dense_100` of 300 and 100 units, a user gave the names.

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
    """The numbered names whose numbers one build of a model cannot have."""
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
    """The numbered names that all end in a size of their thing."""
    pairs = zip(bases, sizes, strict=True)
    others = {
        base for (name, base), of in pairs if base and _number(name, base) not in of
    }
    return {base for _, base in bases if base} - others


def _number(name: str, base: str) -> int:
    return int(name.removeprefix(base).lstrip("_") or 0)


def counted_base(name: str, classes: Iterable[str]) -> str | None:
    """The name without its number, if Keras could have made the name; else None."""
    if name.startswith("tf."):  # an operation as a layer, like tf.math.add_2
        return re.sub(r"_\d+$", "", name)
    for kind in classes:
        for base in _bases(kind):
            for head in _HEADS:
                if re.fullmatch(rf"{head}{re.escape(base)}(_\d+)?", name):
                    return f"{head}{base}"
    return None


def unique(name: str, taken: Collection[str]) -> str:
    """The name, followed by a number if it is taken."""
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def matches(key: str, path: str) -> bool:
    """Whether a key is the path of a weight, a path above it, or a pattern of one."""
    parts = path.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
    # The name itself first: a layer may be called `a[0]`, which is also a pattern.
    return key in above or any(fnmatch.fnmatchcase(name, key) for name in above)


def _bases(kind: str) -> list[str]:
    """The names, without a number, that Keras gives to things of a class."""
    if kind == "InputLayer":
        return ["input"]
    own = kind.rpartition(">")[2]  # without the package that it is registered in
    own = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", own)
    own = re.sub(r"([a-z])([A-Z])", r"\1_\2", own).lower()
    own = f"private{own}" if own.startswith("_") else own
    return [own, "model"] if kind in _MODELS else [own]
