"""Importing changes nothing: what a process has of Keras stays as it was."""

import os
import subprocess
import sys

import pytest

SEARCH = """
import numpy as np
import tf_keras
import tf_lottery

model = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(3)])
model.compile("sgd", "mse")
data = np.ones((8, 4)), np.ones((8, 3))
ticket = tf_lottery.find_ticket(model, data, 1, verbose=0)
assert ticket.round == 1, ticket
"""


def run(code):
    """Runs code in a process that never heard of legacy Keras."""
    env = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_sets_no_variable_and_imports_no_framework():
    run(
        "import os, sys; before = dict(os.environ)\n"
        "import tf_lottery\n"
        "from tf_lottery import Plan, Ticket, Trainer, find_ticket, instability\n"
        "from tf_lottery import compare, gradient, load_history, report, transfer\n"
        "assert dict(os.environ) == before\n"
        "frameworks = {'tensorflow', 'keras', 'tf_keras', 'jax', 'torch'}\n"
        "found = frameworks & set(sys.modules)\n"
        "assert not found, found"
    )


def test_a_search_with_a_binding_of_its_own_imports_no_framework():
    run(
        "import sys, tempfile\n"
        "from tests.fakes import Plan, written\n"
        "run_dir = written(tempfile.mkdtemp(), Plan(rounds=1, controls='reinit'))\n"
        "assert len(run_dir.history()) == 2\n"
        "frameworks = {'tensorflow', 'keras', 'tf_keras', 'jax', 'torch'}\n"
        "found = frameworks & set(sys.modules)\n"
        "assert not found, found"
    )


@pytest.mark.slow
def test_keras_is_keras_3_after_the_import():
    run(
        "import tf_lottery, keras\n"
        "assert keras.__version__.startswith('3'), keras.__version__\n"
        "import tensorflow as tf\n"
        "assert tf.keras.__version__.startswith('3'), tf.keras.__version__"
    )


@pytest.mark.slow
def test_a_search_works_where_tf_keras_was_used_as_keras_3_before():
    run(
        "import tensorflow as tf\n"
        "assert tf.keras.__version__.startswith('3')\n" + SEARCH
    )
