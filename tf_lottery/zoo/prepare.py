"""Prepares a data set, once: from its archives to what tensorflow-datasets reads.

tensorflow-datasets takes the archives from a folder or from the network, checks them
and turns them into records, so that both ways give the same data.
"""

import contextlib
import io
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Where tensorflow-datasets' own builders download from, unless they register it.
_BUCKET = "https://storage.googleapis.com"
_PATIENCE = 4.0  # seconds
_MOMENT = 0.1


def prepare(builder: Any, archives: str | None = None) -> None:
    """Prepares a data set, from a folder of archives or from the network.

    Two processes may prepare the same data set at the same time: the first to finish
    wins. `builder` is what `tfds.builder` returns, `archives` a folder that holds the
    original archives under their names.

    Raises:
        ValueError: An archive is missing or damaged, the network is out of reach, or
            the data directory cannot be written to.
    """
    from tensorflow_datasets.core.download import DownloadError, download_manager

    failures = (OSError, DownloadError, download_manager.NonMatchingChecksumError)
    names = [info.filename for info in (builder.url_infos or {}).values()]
    names = [] if None in names else names
    try:
        _check_available(builder, archives, names)
        _build(builder, archives)
    except Exception as error:
        if builder.data_path.exists():  # another process was first
            return
        if isinstance(error, failures):
            message = _what_to_do(builder, archives, names, error)
            raise ValueError(message) from error
        raise


def _check_available(builder: Any, archives: str | None, names: list[str]) -> None:
    """Raises what tensorflow-datasets would after minutes: it tries ten times."""
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS is not None:
        return  # it says at once what to fetch by hand
    if archives is None:
        shipped = type(builder).__module__.startswith("tensorflow_datasets.")
        urls = builder.url_infos or ([_BUCKET] if shipped else [])
        url = next((url for url in urls if url.startswith("http")), None)
        if url and not _answers(url):
            raise OSError(f"no answer from {url}")
        return
    if not names:
        raise OSError(f"tensorflow-datasets knows no archives of {builder.name}")
    missing = [name for name in names if not Path(archives, name).is_file()]
    if missing:
        raise OSError(f"no {', '.join(missing)} in {archives!r}")


def _build(builder: Any, archives: str | None) -> None:
    import tensorflow_datasets as tfds

    downloads = Path(builder.data_dir_root, "downloads")
    downloads.mkdir(parents=True, exist_ok=True)
    print(f"Preparing {builder.name} in {builder.data_dir_root}, once", file=sys.stderr)
    with (
        # Archives of other data sets may have the same names, and two processes that
        # extract into one folder may delete each other's files.
        _scratch_in(downloads) as extracted,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),  # hundreds of progress bars
    ):
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(
                extract_dir=extracted, manual_dir=archives, try_download_gcs=False
            )
        )


@contextlib.contextmanager
def _scratch_in(parent: Path) -> Iterator[str]:
    """A folder for what is extracted, which is removed at the end.

    After a damaged archive threads of tensorflow-datasets still extract the others, and
    nobody can wait for them. So the folder is removed until it stays away for a moment.
    If it does not, it is left: the error of the archive says more.
    """
    folder = tempfile.mkdtemp(dir=parent, prefix="incomplete.")
    try:
        yield folder
    except BaseException:
        end = time.monotonic() + _PATIENCE
        while os.path.exists(folder) and time.monotonic() < end:
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(_MOMENT)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    """Whether a host answers in seconds, through the proxy of the environment if any.

    A refusal is an answer, a failing server is not.
    """
    import requests

    answers = []

    def ask() -> None:
        with (
            contextlib.suppress(OSError),
            requests.get(url, stream=True, timeout=_PATIENCE) as response,
        ):
            answers.append(response.status_code < 500)

    # A name lookup has no timeout, so the thread is left behind.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return any(answers)


def _what_to_do(
    builder: Any, archives: str | None, names: list[str], error: Exception
) -> str:
    data_dir = os.fspath(builder.data_dir_root)
    config = builder.builder_config_name
    name = f"{builder.name}/{config}" if config else builder.name
    reason = str(error).partition("\n")[0]
    folder = f", a folder that holds {', '.join(names)}" if 0 < len(names) < 9 else ""
    return (
        f"{builder.name} must be prepared in `data_dir`, or it must be possible to "
        f"prepare it there. Received: data_dir={data_dir!r}, archives={archives!r}; "
        f"{reason}. Pass `archives`{folder}. Or, on a machine with "
        'network, run `python -c "import tensorflow_datasets as tfds; '
        f"tfds.builder('{name}').download_and_prepare()\"`, copy the folder "
        f"{builder.name!r} from its ~/tensorflow_datasets, and name the folder that "
        "you copy it to in `data_dir` or the environment variable TFDS_DATA_DIR."
    )
