"""Compiled programs of JAX are kept between processes, in the user's cache.

JAX' own persistent cache does it. It loads what it finds as code, so it is never in a
run directory, which may come from others.

Reference: https://docs.jax.dev/en/latest/persistent_compilation_cache.html
"""

import contextlib
import functools
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

_CONFIG: Any = jax.config
_LARGEST = 2**30  # bytes, of all programs
_OPTIONS = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


@contextlib.contextmanager
def programs_kept() -> Iterator[None]:
    """JAX looks for compiled programs in the user's cache, and adds to it, inside.

    Nothing changes where the process has a cache of its own, where JAX' caching is
    switched off, and where there is no place to write.
    """
    own = _CONFIG.jax_compilation_cache_dir is not None
    if own or not _CONFIG.jax_enable_compilation_cache:
        yield
        return
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    directory = _directory_in(home)
    if directory is None:
        yield
        return
    options = {"jax_compilation_cache_dir": str(directory), **_OPTIONS}
    before = {name: getattr(_CONFIG, name) for name in options}
    try:
        _set(options)
        yield
    finally:
        _set(before)


def _set(options: dict[str, object]) -> None:
    for name, value in options.items():
        _CONFIG.update(name, value)
    _reset()


def _reset() -> None:
    """Makes JAX look at its directory again, which it does once, without its log."""
    reset = compilation_cache.reset_cache
    logger = logging.getLogger(reset.__module__)
    logger.addFilter(_dropped)
    try:
        reset()
    finally:
        logger.removeFilter(_dropped)


def _dropped(record: logging.LogRecord) -> bool:
    """A filter that logs all but what JAX says of a reset."""
    return record.funcName != compilation_cache.reset_cache.__name__


@functools.cache
def _directory_in(home: str) -> Path | None:
    """A directory that only the user can read; None if there can be none."""
    directory = Path(home) / "tf_lottery" / "jax"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)  # fails if it is another user's
        _trim(directory)
    except OSError:
        return None
    return directory if os.access(directory, os.W_OK) else None


def _trim(directory: Path, largest: int = _LARGEST) -> None:
    """Removes the oldest programs beyond a size in bytes."""
    files = [(path.stat(), path) for path in directory.glob("*") if path.is_file()]
    for found, path in sorted(files, key=lambda each: -each[0].st_mtime):
        largest -= found.st_size
        if largest < 0:
            path.unlink(missing_ok=True)
