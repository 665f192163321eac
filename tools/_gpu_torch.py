"""Step of the GPU report: LeNet with masks as a careful PyTorch user trains it."""

import importlib.util
import random
import time

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

    ways = {"eager, fused Adam": False}
    if cuda.is_available():
        ways["CUDA graph, fused Adam"] = True
    device = "cuda" if cuda.is_available() else "cpu"
    mnist = _mnist.mnist()
    data = peer.Data.of(device, mnist.train, mnist.validation)

    def seconds(work) -> float:
        started = time.perf_counter()
        work()
        if device == "cuda":
            cuda.synchronize()
        return time.perf_counter() - started

    if not all(log.has("torch", f"step: {way}") for way in ways):
        trainings = {}
        for way, graph in ways.items():
            trainings[way] = peer.Training(data, batch_size=BATCH, graph=graph)
            trainings[way].rewind(peer.pruned(trainings[way]))
            trainings[way].train(scale.torch_steps)
        times: dict[str, list[float]] = {way: [] for way in ways}
        order = random.Random(0)
        for _ in range(scale.turns):
            for way in order.sample(list(ways), len(ways)):
                work = trainings[way].train
                times[way].append(seconds(lambda work=work: work(scale.torch_steps)))
        for way, taken in times.items():
            each = np.asarray(taken) * 1e3 / scale.torch_steps
            row = {"ms a step [95 %]": _bench.median(each), "turns": scale.turns}
            log.add("torch", f"step: {way}", row)
    for way, graph in ways.items():
        if log.has("torch", f"search: {way}"):
            continue
        if log.left() < 60:
            return
        found: list[peer.Outcome] = []
        taken = seconds(
            lambda graph=graph, found=found: found.extend(
                peer.search(
                    data,
                    scale.rounds,
                    scale.steps,
                    evaluate_every=scale.evaluate_every,
                    batch_size=BATCH,
                    graph=graph,
                )
            )
        )
        row = {
            "seconds": taken,
            "dense validation accuracy": found[0].accuracies[-1],
            "last round's": found[-1].accuracies[-1],
            "last round's density": found[-1].density,
        }
        log.add("torch", f"search: {way}", row)
    log.end("torch", True, f"On {device}; the data lie there.")
