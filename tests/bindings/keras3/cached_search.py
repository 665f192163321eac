"""A small search on JAX in a process of its own: what it compiled, and its bits.

Run by `jax_cache_test.py`, with the directory to write to as its argument.
"""

import hashlib
import json
import sys
import time

import jax
import numpy as np

from tests.bindings.keras3 import models
from tf_lottery import find_ticket

EVENTS = "/jax/compilation_cache/"


def main(directory):
    counts = {"compile_requests_use_cache": 0, "cache_hits": 0, "cache_misses": 0}

    def count(event, **_):
        name = event.removeprefix(EVENTS)
        if name in counts:
            counts[name] += 1

    jax.monitoring.register_event_listener(count)
    config = dict(jax.config.values)
    model = models.with_state()
    counts["compile_requests_use_cache"] = 0
    started = time.process_time()
    ticket = find_ticket(
        model, models.arrays(), 1, epochs=2, batch_size=16, verbose=0, run_dir=directory
    )
    found = {
        **counts,
        "seconds": time.process_time() - started,
        "bits": bits(ticket),
        "unchanged": config == dict(jax.config.values),
    }
    before = dict(counts)
    jax.jit(lambda x: x * 3 + 1)(np.ones(3))
    found["later"] = counts["cache_misses"] - before["cache_misses"]
    print(json.dumps(found))


def bits(ticket):
    """A digest of the masks and of the trained weights."""
    sha = hashlib.sha256(ticket.masks.digest().encode())
    for weights in (ticket.state, ticket.outcome.weights):
        for name in weights:
            sha.update(weights[name].tobytes())
    return sha.hexdigest()


if __name__ == "__main__":
    main(sys.argv[1])
