"""Which form batches of Python code have."""

from collections.abc import Iterator
from typing import Any

from tf_lottery.bindings.shared.generators import Generated, Once
from tf_lottery.bindings.shared.loaders import Loader, check_loaded, is_loader
from tf_lottery.bindings.shared.sequences import Indexed, is_sequence
from tf_lottery.bindings.shared.source import Again, Source, Standard


def source_of(value: Any, again: Again, standard: Standard) -> Source | None:
    """The source that a value is; None if it is rows in memory, or something else.

    Raises:
        TypeError: It is of PyTorch and no DataLoader.
    """
    check_loaded(value, again)
    if is_sequence(value):
        return Indexed(value, standard)
    if is_loader(value):
        return Loader(value, standard)
    if isinstance(value, Iterator):
        return Generated(again, standard) if again else Once(value, standard)
    return None


def gives_again(value: Any) -> bool:
    """Whether it gives its batches more than once."""
    return is_sequence(value) or is_loader(value)


def is_ordered_by_seed(source: Any) -> bool:
    """Whether the order of its batches follows from the plan's seed alone."""
    return isinstance(source, Indexed | Loader) and not source.is_endless
