"""Step of the GPU report: LeNet with masks as a careful PyTorch user trains it."""

import functools
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import _bench
import _mnist
import numpy as np
from _gpu_cases import BATCH, Scale
from _gpu_log import Log


def torch(log: Log, scale: Scale) -> None:
    """The time of a step, and of a search: eager, and one CUDA graph a step."""
    if importlib.util.find_spec("torch") is None:
        log.end("torch", True, "Skipped: PyTorch is not installed.")
        return
    import _peer_torch as peer
    from torch import cuda

    device = "cuda" if cuda.is_available() else "cpu"
    ways = {"eager, fused Adam": False}
    if cuda.is_available():
        ways["CUDA graph, fused Adam"] = True
    mnist = _mnist.mnist()
    data = peer.Data.of(device, mnist.train, mnist.validation)

    def seconds(work: Callable[[], Any]) -> float:
        started = time.perf_counter()
        work()
        if cuda.is_available():
            cuda.synchronize()
        return time.perf_counter() - started

    def masked(graph: bool) -> Callable[[], float]:
        training = peer.Training(data, batch_size=BATCH, graph=graph)
        training.rewind(peer.pruned(training))
        return lambda: seconds(lambda: training.train(scale.torch_steps))

    if not all(log.has("torch", f"step: {way}") for way in ways):
        turns = {way: masked(graph) for way, graph in ways.items()}
        for way, taken in _bench.interleaved(turns, scale.turns, seed=0).items():
            each = np.asarray(taken) * 1e3 / scale.torch_steps
            row = {"ms a step [95 %]": _bench.median(each), "turns": scale.turns}
            log.add("torch", f"step: {way}", row)
    for way, graph in ways.items():
        if log.has("torch", f"search: {way}"):
            continue
        if log.left() < 60:
            return
        found: list[peer.Outcome] = []
        search = functools.partial(
            peer.search,
            data,
            scale.rounds,
            scale.steps,
            evaluate_every=scale.evaluate_every,
            batch_size=BATCH,
            graph=graph,
        )
        taken = seconds(lambda search=search, found=found: found.extend(search()))
        row = {
            "seconds": taken,
            "dense validation accuracy": found[0].accuracies[-1],
            "last round's": found[-1].accuracies[-1],
            "last round's density": found[-1].density,
        }
        log.add("torch", f"search: {way}", row)
    log.end("torch", True, f"On {device}; the data lie there.")
