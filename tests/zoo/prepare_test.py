"""A data set that cannot be prepared says so at once, and leaves nothing behind."""

import shutil
import threading
import time
from pathlib import Path

import pytest
import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import resource

from tf_lottery.zoo import data
from tf_lottery.zoo.prepare import find_builder, prepare
from tf_lottery.zoo.staging import is_staged, stage

ARCHIVES = Path(__file__).parents[2] / "recipes" / "data" / "mnist"


@pytest.fixture
def offline(monkeypatch):
    def get(url, **_):
        raise requests.ConnectionError(url)

    monkeypatch.setattr(requests, "get", get)


@pytest.fixture
def mnist(tmp_path):
    return find_builder("mnist", tmp_path)


class Ready:
    """A builder whose archives are all in the download cache."""

    name, url_infos, builder_config_name = "ready", None, None
    MANUAL_DOWNLOAD_INSTRUCTIONS = None

    def __init__(self, data_dir, build):
        self.data_dir_root = data_dir
        self.data_path = data_dir / "ready"
        self.download_and_prepare = build


@pytest.mark.parametrize("name", ["emnist", "cifar10", "wine_quality"])
def test_out_of_reach_is_an_error_that_says_what_to_do(offline, tmp_path, name):
    with pytest.raises(ValueError, match=f"{name} must be prepared") as error:
        data.load(name, data_dir=tmp_path)
    for part in (str(tmp_path), "no answer from", "download_and_prepare()"):
        assert part in str(error.value)
    assert not any(tmp_path.iterdir())


def test_a_dead_name_server_is_noticed_within_ten_seconds(monkeypatch, tmp_path):
    over = threading.Event()

    def get(url, **_):
        over.wait(60)
        raise requests.ConnectionError(url)

    monkeypatch.setattr(requests, "get", get)
    start = time.monotonic()
    with pytest.raises(ValueError, match="no answer from biometrics"):
        data.load("emnist", data_dir=tmp_path)
    assert time.monotonic() - start < 10
    over.set()


def test_an_unknown_name_is_an_error_with_similar_names(tmp_path):
    with pytest.raises(
        ValueError, match=r"Received: name='fashion_mnst'.*fashion_mnist"
    ):
        data.load("fashion_mnst", data_dir=tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"`data_dir` must be .*TFDS_DATA_DIR"):
        data.mnist(archives=ARCHIVES, data_dir=tmp_path / "file" / "data")


def test_a_tilde_is_the_home_folder(offline, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match=str(tmp_path / "here")):
        data.load("emnist", data_dir="~/here")


def test_archives_are_staged_under_the_names_that_tfds_looks_for(mnist, tmp_path):
    assert not is_staged(mnist)
    stage(mnist, ARCHIVES)
    assert is_staged(mnist)
    names = {
        resource.get_dl_fname(url, info.checksum)
        for url, info in mnist.url_infos.items()
    }
    sidecars = {f"{name}.INFO" for name in names}
    cache = tmp_path / "downloads" / "mnist"
    assert {path.name for path in cache.iterdir()} == names | sidecars


def test_tfds_takes_staged_archives_without_asking_the_network(mnist):
    stage(mnist, ARCHIVES)
    manager = mnist._make_download_manager(
        download_dir=None, download_config=tfds.download.DownloadConfig()
    )
    for url, info in mnist.url_infos.items():
        assert Path(manager.download(url)).stat().st_size == int(info.size)


def test_staging_again_changes_nothing(mnist, tmp_path):
    stage(mnist, ARCHIVES)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.gz*")}
    stage(mnist, ARCHIVES)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.gz*")}


def test_a_damaged_download_is_replaced(mnist, tmp_path):
    stage(mnist, ARCHIVES)
    labels = next(tmp_path.rglob("*t10k-labels*.gz"))
    good = labels.read_bytes()
    labels.write_bytes(good[:-1])
    stage(mnist, ARCHIVES)
    assert labels.read_bytes() == good


@pytest.mark.parametrize("damage", ["one byte", "cut short", "missing"])
def test_a_damaged_archive_is_an_error_and_nothing_is_staged(tmp_path, mnist, damage):
    archives = shutil.copytree(ARCHIVES, tmp_path / "archives")
    archive = archives / "train-labels-idx1-ubyte.gz"  # the last that is checked
    content = bytearray(archive.read_bytes())
    archive.unlink()
    if damage == "one byte":
        content[1000] ^= 1
    if damage != "missing":
        archive.write_bytes(content[: 1000 if damage == "cut short" else None])
    with pytest.raises(ValueError, match="train-labels-idx1-ubyte"):
        data.mnist(archives=archives, data_dir=tmp_path)
    assert not any((tmp_path / "downloads" / "mnist").iterdir())


def test_archives_of_a_data_set_without_registered_ones_are_refused(tmp_path):
    with pytest.raises(ValueError, match="wine_quality"):
        data.load("wine_quality", data_dir=tmp_path, archives=ARCHIVES)


def test_preparing_loses_gracefully_to_another_process(tmp_path):
    def build(**_):
        (tmp_path / "ready").mkdir()
        raise OSError("Directory not empty")

    prepare(Ready(tmp_path, build))


def test_a_failure_while_preparing_is_not_hidden(tmp_path, capsys):
    def build(**_):
        raise RuntimeError("no space left")

    with pytest.raises(RuntimeError, match="no space left"):
        prepare(Ready(tmp_path, build))
    assert capsys.readouterr().err.endswith("... failed\n")


def test_preparing_says_one_line_and_cleans_up(tmp_path, capsys):
    extracted = []

    def build(*, download_config):
        print("Downloading and preparing dataset")
        extracted.append(Path(download_config.extract_dir))
        assert extracted[0].is_dir()
        assert list(tfds.core.utils.tqdm(range(3))) == [0, 1, 2]

    before = tfds.core.utils.tqdm_utils._active
    prepare(Ready(tmp_path, build))
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"Preparing ready in {tmp_path}, once ... 0 s\n")
    assert tfds.core.utils.tqdm_utils._active == before
    assert not extracted[0].exists()
