"""A data set comes from its archives; one that cannot be prepared says so at once."""

import gzip
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums

from tf_lottery.bindings.tf_keras._imports import tf
from tf_lottery.zoo import data
from tf_lottery.zoo.prepare import _answers, prepare

ARCHIVES = Path(__file__).parents[2] / "recipes" / "data" / "mnist"
NAMES = ("images.gz", "labels.gz")


@pytest.fixture
def offline(monkeypatch):
    def request(self, method, url, **_):
        raise requests.ConnectionError(url)

    monkeypatch.setattr(requests.Session, "request", request)


@pytest.fixture
def archives(tmp_path):
    folder = tmp_path / "archives"
    folder.mkdir()
    for name in NAMES:
        with gzip.open(folder / name, "w") as file:
            file.write(bytes(range(10)))
    return folder


@pytest.fixture
def builder(archives, tmp_path):
    """A data set of two archives, each registered with its name and checksum."""
    registered = {
        f"https://example.org/{name}": checksums.compute_url_info(archives / name)
        for name in NAMES
    }

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        url_infos = registered

        def _info(self):
            features = tfds.features.FeaturesDict(
                {"value": tfds.features.Scalar(tf.int64)}
            )
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            paths = dl_manager.download_and_extract(list(registered))
            return {"train": self._generate_examples(paths)}

        def _generate_examples(self, paths):
            for path in paths:
                for key, value in enumerate(path.read_bytes()):
                    yield f"{path.name}{key}", {"value": value}

    return Tiny(data_dir=tmp_path / "data")


class Ready:
    """A builder that is prepared by `build`."""

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


@pytest.mark.slow
def test_a_dead_name_server_is_noticed_within_ten_seconds(monkeypatch, tmp_path):
    over = threading.Event()

    def request(self, method, url, **_):
        over.wait(60)
        raise requests.ConnectionError(url)

    monkeypatch.setattr(requests.Session, "request", request)
    start = time.monotonic()
    with pytest.raises(ValueError, match="no answer from https://biometrics"):
        data.load("emnist", data_dir=tmp_path)
    assert time.monotonic() - start < 10
    over.set()


@pytest.mark.parametrize(
    ("status", "answers"), [(200, True), (403, True), (404, True), (503, False)]
)
def test_a_refusal_is_an_answer_and_a_failing_server_is_not(
    monkeypatch, status, answers
):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    monkeypatch.setenv("NO_PROXY", "*")
    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        assert _answers(f"http://127.0.0.1:{http.server_port}") == answers
        http.shutdown()


def test_an_unknown_name_is_an_error_with_similar_names(tmp_path):
    with pytest.raises(
        ValueError, match=r"Received: name='fashion_mnst'.*fashion_mnist"
    ):
        data.load("fashion_mnst", data_dir=tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"Not a directory: .*file.*TFDS_DATA_DIR"):
        data.mnist(archives=ARCHIVES, data_dir=tmp_path / "file" / "data")


def test_a_tilde_is_the_home_folder(offline, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match=str(tmp_path / "here")):
        data.load("emnist", data_dir="~/here")


def test_archives_are_taken_from_a_folder_without_asking_the_network(
    offline, builder, archives
):
    prepare(builder, str(archives))
    assert len(list(builder.as_dataset(split="train"))) == 20


def test_what_was_extracted_of_another_data_set_is_not_taken(
    offline, builder, archives, tmp_path
):
    extracted = tmp_path / "data" / "downloads" / "extracted"
    extracted.mkdir(parents=True)
    (extracted / "GZIP.images.gz").write_bytes(bytes(5))
    prepare(builder, str(archives))
    assert len(list(builder.as_dataset(split="train"))) == 20


@pytest.mark.parametrize("damage", ["one byte", "cut short", "missing"])
def test_a_damaged_archive_is_an_error_and_nothing_is_prepared(
    offline, builder, archives, tmp_path, damage
):
    archive = archives / "labels.gz"
    content = bytearray(archive.read_bytes())
    archive.unlink()
    if damage == "one byte":
        content[-1] ^= 1
    if damage != "missing":
        archive.write_bytes(content[: 10 if damage == "cut short" else None])
    with pytest.raises(ValueError, match=r"Received: .*labels\.gz.* Pass `archives`"):
        prepare(builder, str(archives))
    assert not builder.data_path.exists()
    assert not list((tmp_path / "data").rglob("*.gz"))


def test_archives_of_a_data_set_without_registered_ones_are_refused(tmp_path):
    with pytest.raises(ValueError, match="knows no archives of wine_quality"):
        data.load("wine_quality", data_dir=tmp_path, archives=ARCHIVES)


def test_preparing_loses_gracefully_to_another_process(tmp_path):
    def build(**_):
        (tmp_path / "ready").mkdir()
        raise RuntimeError("Directory not empty")

    prepare(Ready(tmp_path, build))


def test_a_failure_while_preparing_is_not_hidden(tmp_path):
    def build(**_):
        raise RuntimeError("a bug of the builder")

    with pytest.raises(RuntimeError, match="a bug of the builder"):
        prepare(Ready(tmp_path, build))


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError("no space left")])
def test_a_thread_that_still_extracts_does_not_hide_the_error(
    tmp_path, monkeypatch, error
):
    extracted, late = [], ["while it is removed", "after it was removed"]
    rmdir, sleep = os.rmdir, time.sleep

    def write():
        if extracted and late:
            extracted[0].mkdir(exist_ok=True)
            (extracted[0] / late.pop(0)).touch()

    def build(*, download_config):
        extracted.append(Path(download_config.extract_dir))
        raise error

    # What the threads of tensorflow-datasets do after the first damaged archive.
    monkeypatch.setattr(os, "rmdir", lambda *at, **how: (write(), rmdir(*at, **how)))
    monkeypatch.setattr(time, "sleep", lambda seconds: (write(), sleep(seconds)))
    with pytest.raises((RuntimeError, ValueError), match=str(error)):
        prepare(Ready(tmp_path, build))
    assert not late
    assert not extracted[0].exists()


def test_preparing_says_one_line_and_cleans_up(tmp_path, capsys):
    extracted = []

    def build(*, download_config):
        print("Downloading and preparing dataset")
        extracted.append(Path(download_config.extract_dir))
        assert extracted[0].is_dir()
        assert list(tfds.core.utils.tqdm(range(3))) == [0, 1, 2]

    prepare(Ready(tmp_path, build))
    assert capsys.readouterr() == ("", f"Preparing ready in {tmp_path}, once\n")
    assert not extracted[0].exists()
