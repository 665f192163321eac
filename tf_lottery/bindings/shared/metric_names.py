"""What metrics are called in records: as in Keras, without the numbers it adds.

Callbacks see the names of the model. A run directory, a ticket and `monitor` use names
that are equal in each build of the model: `auc`, if Keras counted up to `auc_3`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_lottery.bindings.parts import Names
from tf_lottery.bindings.shared.naming import layer_names
from tf_lottery.core.naming import counted_base, unique


def metric_names(
    names: Iterable[str],
    kinds: Mapping[str, str],
    outputs: Sequence[str],
    layers: Sequence[Any],
) -> Names:
    """The names of the metrics of a compiled model that has made them.

    Args:
        names: As callbacks see them.
        kinds: The classes of metrics by their names.
        outputs: The outputs whose names come before those of metrics, if several.
        layers: The layers of the model, after which outputs are named.
    """
    stable = dict(zip([la.name for la in layers], layer_names(layers), strict=True))
    parts = {name: _split(name, outputs) for name in names}
    bases = {n: counted_base(own, [kinds.get(n, "")]) for n, (_, own) in parts.items()}
    taken = {own for name, (_, own) in parts.items() if bases[name] is None}
    recorded: dict[str, str] = {}
    for name, (output, own) in parts.items():
        if base := bases[name]:
            own = unique(base, taken)
            taken.add(own)
        head = f"{stable.get(output, output)}_" if output else ""
        recorded[name] = f"{head}{own}"
    return Names(recorded)


def _split(name: str, outputs: Sequence[str]) -> tuple[str, str]:
    """The output that a metric is of, if there are several, and its own name."""
    output = next((o for o in outputs if name.startswith(f"{o}_")), "")
    return output, name.removeprefix(f"{output}_") if output else name
