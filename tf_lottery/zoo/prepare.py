"""Preparing a data set: from its archives to what tensorflow-datasets reads.

The archives are staged from a folder or downloaded, and the same builder of
tensorflow-datasets turns them into records, so that both give the same data.
"""

import contextlib
import difflib
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils

from tf_lottery.zoo.reach import any_answers, hosts_of
from tf_lottery.zoo.staging import download_dir, file_name, is_staged, stage

# Where tensorflow-datasets' own builders download from, unless they register it.
_BUCKET = "https://storage.googleapis.com"
_PATIENCE = 4.0  # seconds, for all hosts together


def find_builder(name: str, data_dir: str | os.PathLike[str] | None = None) -> Any:
    """Returns the builder of a data set, without asking the network.

    Raises:
        ValueError: tensorflow-datasets does not know the data set.
    """
    try:
        return tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        similar = ", ".join(difflib.get_close_matches(name, known))
        raise ValueError(
            "`name` must be a data set that tensorflow-datasets knows, or one "
            f"prepared in `data_dir`. Received: name={name!r}, data_dir={data_dir!r}."
            + (f" Similar names: {similar}." if similar else "")
        ) from error


def prepare(builder: Any, archives: str | os.PathLike[str] | None = None) -> None:
    """Prepares a data set, once, from staged archives or from the network.

    Two processes may prepare the same data set at the same time: each works in
    folders of its own, and the first to finish wins.

    Args:
        builder: What `find_builder` returns.
        archives: A folder that holds the original archives.

    Raises:
        ValueError: The data set cannot be downloaded, or an archive is damaged,
            or the data directory cannot be written to.
    """
    if archives is None and not is_staged(builder):
        _check_reachable(builder)
    _check_writable(builder)
    if archives is not None:
        stage(builder, Path(archives))
    with _one_line(builder), _own_folder(builder) as extracted:
        config = tfds.download.DownloadConfig(
            extract_dir=extracted, try_download_gcs=False
        )
        try:
            builder.download_and_prepare(download_config=config)
        except Exception:
            if not builder.data_path.exists():  # else another process was first
                raise


def _check_reachable(builder: Any) -> None:
    hosts = hosts_of(_urls(builder))
    if hosts and not any_answers(hosts.values(), _PATIENCE):
        data_dir = os.fspath(builder.data_dir_root)
        raise ValueError(
            f"{builder.name} must be prepared in `data_dir`, or its host must answer. "
            f"Received: data_dir={data_dir!r}, where it is not prepared, and no answer "
            f"from {', '.join(hosts)}. On a machine with network, run `python -c "
            '"import tensorflow_datasets as tfds; tfds.builder('
            f"'{_full_name(builder)}').download_and_prepare()\"`, then copy the folder "
            f"{builder.name!r} from its ~/tensorflow_datasets to {data_dir!r}, or to "
            "the folder that TFDS_DATA_DIR names." + _archives_hint(builder)
        )


def _urls(builder: Any) -> list[str]:
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS is not None:
        return []  # tensorflow-datasets says at once what to fetch by hand
    if builder.url_infos:
        return list(builder.url_infos)
    shipped = type(builder).__module__.startswith("tensorflow_datasets.")
    return [_BUCKET] if shipped else []


def _full_name(builder: Any) -> str:
    config = builder.builder_config_name
    return f"{builder.name}/{config}" if config else str(builder.name)


def _archives_hint(builder: Any) -> str:
    names = [file_name(url, info) for url, info in (builder.url_infos or {}).items()]
    if not 1 <= len(names) <= 8:
        return ""
    return f" Or pass `archives`, a folder that holds {', '.join(names)}."


def _check_writable(builder: Any) -> None:
    try:
        download_dir(builder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=download_dir(builder)).close()
    except OSError as error:
        raise ValueError(
            f"`data_dir` must be a folder where {builder.name} is prepared, or one "
            "that can be written to. Received: "
            f"data_dir={os.fspath(builder.data_dir_root)!r} ({error.strerror}). Pass "
            "another `data_dir`, or set the environment variable TFDS_DATA_DIR."
        ) from error


@contextlib.contextmanager
def _one_line(builder: Any) -> Iterator[None]:
    """Says in one line what tensorflow-datasets would say in hundreds."""
    start, said = time.monotonic(), "failed"
    bars = tqdm_utils._active  # there is no public way to ask
    _say(f"Preparing {builder.name} in {builder.data_dir_root}, once ... ")
    tfds.display_progress_bar(False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
        said = f"{time.monotonic() - start:.0f} s"
    finally:
        tfds.display_progress_bar(bars)
        _say(f"{said}\n")


def _say(words: str) -> None:
    print(words, end="", file=sys.stderr, flush=True)


def _own_folder(builder: Any) -> "tempfile.TemporaryDirectory[str]":
    # Processes that extract into one folder can delete each other's files.
    return tempfile.TemporaryDirectory(dir=download_dir(builder), prefix="incomplete.")
