"""Several devices find the ticket of one: replicas of TensorFlow, a mesh of JAX.

Devices are made when a backend starts, so each case is a process of its own.
"""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.bindings.keras3.models import BACKEND, arrays, compiled, tiny
from tf_lottery import find_ticket

DEVICES = {
    "jax": """
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import keras
def spread():
    keras.distribution.set_distribution(keras.distribution.DataParallel())
STRATEGY = None
""",
    "tensorflow": """
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
def spread():
    pass
STRATEGY = "mirrored"
""",
}
SEARCHES = """
import numpy as np
from tests.bindings.keras3.models import arrays, compiled, tiny
from tf_lottery import Plan, Trainer, run_rounds

plan = Plan(rounds=2, epochs=2, batch_size=16, evaluate_every=4, rewind_to=3)

def rounds(strategy):
    trainer = Trainer(lambda: compiled(tiny()), arrays(), plan, strategy=strategy,
                      validation_data=arrays(32, seed=1))
    assert trainer.devices.processes.replicas == (2 if strategy or SPREAD else 1)
    live, found = trainer._prepared.searched.live, []
    for each in run_rounds(trainer, plan):
        assert len(live.replica_masks()) == trainer.devices.processes.replicas
        assert live.faults() == ([], [])
        found.append(each.trained)
    return found, trainer.traces

SPREAD = False
one, _ = rounds(None)
spread()
SPREAD = STRATEGY is None
two, traces = rounds(STRATEGY)
for mine, theirs in zip(one, two, strict=True):
    assert mine.masks == theirs.masks
    for path, weights in mine.outcome.weights.items():
        assert np.allclose(weights, theirs.outcome.weights[path], atol=1e-5), path
print("traces", traces)
"""


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch has one device here")
def test_several_devices_find_the_ticket_of_one():
    code = f"import os\n{DEVICES[BACKEND]}{SEARCHES}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # One for each replica of TensorFlow.
    assert done.stdout.split()[-2:] == ["traces", "1" if BACKEND == "jax" else "2"]


@pytest.mark.skipif(BACKEND == "tensorflow", reason="there it is a strategy")
def test_a_strategy_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match="set_distribution"):
        find_ticket(compiled(tiny()), arrays(), strategy="mirrored", verbose=0)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="strategies are of TensorFlow")
def test_an_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="`strategy` must be"):
        find_ticket(compiled(tiny()), arrays(), strategy="quick", verbose=0)


def test_arrays_have_one_order_on_every_backend():
    from tf_lottery.core.seeds import row_order
    from tf_lottery.training.trainer import Plan, Trainer

    x, y = arrays(40)
    trainer = Trainer(compiled(tiny()), (x, y), Plan(batch_size=16, seed=5))
    batches = trainer._prepared.data.feed.begin().open(0)
    read = [np.asarray(keras.ops.convert_to_numpy(next(batches)[0])) for _ in range(6)]
    order = [row_order(5, number, 40) for number in range(2)]
    assert np.array_equal(np.concatenate(read), x[np.concatenate(order)])
