"""Staging: original archives, put where tensorflow-datasets keeps its downloads.

tensorflow-datasets finds a download by a name made of its URL and registered
checksum, with a sidecar file `.INFO`, and then does not ask the network for it.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tensorflow_datasets.core.download import resource


def stage(builder: Any, archives: Path) -> None:
    """Copies a data set's archives into the download cache of its data directory.

    All of them are checked before the first one is put in place, and each is
    put in place at once: another process never sees half an archive.

    Args:
        builder: A `tfds.core.DatasetBuilder`.
        archives: A folder that holds the archives under their original names.

    Raises:
        ValueError: An archive is missing or damaged, or none is registered.
    """
    cache = download_dir(builder) / builder.name
    cache.mkdir(parents=True, exist_ok=True)
    missing = {
        url: info
        for url, info in _registered(builder).items()
        if not _holds(_target(builder, url), info)
    }
    with tempfile.TemporaryDirectory(dir=cache, prefix="incomplete.") as folder:
        copies = {
            url: _checked_copy(archives / file_name(url, info), Path(folder), info)
            for url, info in missing.items()
        }
        for url, copy in copies.items():
            _put_in_place(builder, url, copy)


def is_staged(builder: Any) -> bool:
    """Tells whether the download cache holds all that the data set registers."""
    urls = builder.url_infos or {}
    return bool(urls) and all(
        resource.is_locally_cached(_target(builder, url)) for url in urls
    )


def download_dir(builder: Any) -> Path:
    """Returns the folder where tensorflow-datasets looks for downloads."""
    return Path(builder.data_dir_root).expanduser() / "downloads"


def file_name(url: str, info: Any) -> str:
    """Returns the original name of an archive."""
    return info.filename or url.rsplit("/", 1)[-1]


def _registered(builder: Any) -> dict[str, Any]:
    if not builder.url_infos:
        raise ValueError(
            "`archives` must be left out for a data set whose archives "
            "tensorflow-datasets does not register. "
            f"Received: archives for {builder.name!r}."
        )
    return dict(builder.url_infos)


def _target(builder: Any, url: str) -> Path:
    name: str = resource.get_dl_fname(url, builder.url_infos[url].checksum)
    return download_dir(builder) / str(builder.name) / name


def _holds(path: Path, info: Any) -> bool:
    return resource.is_locally_cached(path) and bool(_sha256(path) == info.checksum)


def _checked_copy(archive: Path, folder: Path, info: Any) -> Path:
    copy = folder / archive.name
    try:
        shutil.copyfile(archive, copy)
    except OSError as error:
        raise ValueError(
            f"`archives` must be a folder that holds {archive.name}. "
            f"Received: archives={str(archive.parent)!r} ({error.strerror})."
        ) from error
    checksum = _sha256(copy)
    if checksum != info.checksum:
        raise ValueError(
            f"{archive} must have the sha256 {info.checksum} that tensorflow-datasets "
            f"registers. Received: {checksum}, {copy.stat().st_size:,} bytes instead "
            f"of {int(info.size):,}. Copy or download the archive again; nothing was "
            "staged."
        )
    return copy


def _put_in_place(builder: Any, url: str, copy: Path) -> None:
    info = builder.url_infos[url]
    target = _target(builder, url)
    os.replace(copy, target)
    resource.write_info_file(
        url=url,
        path=target,
        dataset_name=builder.name,
        original_fname=file_name(url, info),
        url_info=info,
    )


def _sha256(path: Path) -> str:
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum.update(block)
    return checksum.hexdigest()
