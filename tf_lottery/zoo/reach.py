"""Reach: whether a download can work, found out in seconds.

tensorflow-datasets tries a host that does not answer ten times, which takes
minutes; a dead name server alone can take a minute.
"""

import queue
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import requests

_MOST_HOSTS = 8


def hosts_of(urls: Iterable[str]) -> dict[str, str]:
    """Returns a URL per web host, for the first few hosts."""
    web = (url for url in urls if url.startswith("http"))
    hosts = {urlsplit(url).netloc: url for url in web}
    return dict(list(hosts.items())[:_MOST_HOSTS])


def any_answers(urls: Iterable[str], patience: float) -> bool:
    """Tells whether one of the URLs' hosts answers in `patience` seconds.

    All are asked at the same time, through the proxy if the environment names
    one. An answer counts even if it refuses; a failing server does not count.
    """
    answers: queue.Queue[bool] = queue.Queue()
    pending = [_ask(url, patience, answers) for url in urls]
    deadline = time.monotonic() + patience
    for _ in pending:
        try:
            if answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return True
        except queue.Empty:
            return False
    return False


def _ask(url: str, patience: float, answers: "queue.Queue[bool]") -> threading.Thread:
    # A name lookup cannot be given a timeout, so the thread is left behind.
    def ask() -> None:
        answers.put(_answers(url, timeout=patience))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def _answers(url: str, timeout: float) -> bool:
    try:
        with requests.get(url, stream=True, timeout=timeout) as response:
            return response.status_code < 500
    except (requests.RequestException, OSError):
        return False
