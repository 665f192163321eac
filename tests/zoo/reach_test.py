"""Whether a host answers is known in seconds, whatever the network does."""

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from tf_lottery.zoo.reach import any_answers, hosts_of

PATIENCE = 0.5


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(int(self.path.strip("/")))
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.mark.parametrize("status", [200, 403, 404])
def test_any_answer_counts_even_a_refusal(server, no_proxy, status):
    assert any_answers([f"{server}/{status}"], 5.0)


def test_a_failing_server_does_not_count(server, no_proxy):
    assert not any_answers([f"{server}/503"], 5.0)


def test_one_host_that_answers_is_enough(server, no_proxy):
    assert any_answers(["http://127.0.0.1:9/x", f"{server}/200"], 5.0)


def test_a_name_server_that_never_answers_takes_no_longer_than_patience(monkeypatch):
    over = threading.Event()

    def get(url, **_):
        over.wait(60)
        raise requests.ConnectionError(url)

    monkeypatch.setattr(requests, "get", get)
    start = time.monotonic()
    assert not any_answers(["http://one", "http://two"], PATIENCE)
    assert time.monotonic() - start < PATIENCE + 1
    over.set()


def test_hosts_are_asked_once_and_only_over_the_web():
    urls = ["https://a.org/1", "https://a.org/2", "http://b.org/3", "ftp://c.org/4"]
    assert list(hosts_of(urls)) == ["a.org", "b.org"]
    assert len(hosts_of(f"https://{n}.org" for n in range(100))) < 10
