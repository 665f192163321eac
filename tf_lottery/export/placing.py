"""Files and directories appear whole, with what belongs to them, or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tf_lottery.core.archive import TEMPORARY

_SAVED_MODEL = "saved_model.pb"


def cards_of(path: Path) -> tuple[Path, Path]:
    """Where the card of a file goes, as JSON and as Markdown."""
    json, markdown = (path.with_name(f"{path.name}.card.{e}") for e in ("json", "md"))
    return json, markdown


def check_free(path: Path, overwrite: bool) -> None:
    """Raises if something is there that must not be replaced.

    Raises:
        FileExistsError: Anything, without `overwrite`; a directory that is none of
            ours, also with it.
    """
    found = [each for each in (path, *cards_of(path)) if os.path.lexists(each)]
    if found and not overwrite:
        raise FileExistsError(
            f"{found[0]} exists. Pass `overwrite=True` (`--overwrite`) to replace it."
        )
    if path.is_dir() and any(path.iterdir()) and not (path / _SAVED_MODEL).exists():
        raise FileExistsError(
            f"{path} is a directory without a SavedModel, and is not replaced. Choose "
            "another path, or remove it yourself."
        )


@contextlib.contextmanager
def placed(path: Path, overwrite: bool) -> Iterator[Path]:
    """A temporary path; what is beside it, too, moves to `path` when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=path.parent) as directory:
        made, replaced = Path(directory, "new"), Path(directory, "old")
        made.mkdir()
        yield made / path.name
        check_free(path, overwrite)
        for part in sorted(made.iterdir()):
            _move(part, path.with_name(part.name), replaced)


def _move(source: Path, target: Path, replaced: Path) -> None:
    """Moves a file or directory over another, which is kept if that fails."""
    directory = source.is_dir() or target.is_dir()
    if not (directory and os.path.lexists(target)):
        os.replace(source, target)
        return
    os.replace(target, replaced)  # a directory cannot be replaced at once
    try:
        os.replace(source, target)
    except BaseException:
        os.replace(replaced, target)
        raise
