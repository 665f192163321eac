"""What people read: the line of an error, and where a warning points."""

import io
import logging
import warnings

import pytest

from tf_lottery.core.words import quiet, telling_line, warn

GRAPH = """Graph execution error:

Detected at node PyFunc defined at (most recent call last):
<stack traces unavailable>
KeyError: 'the file is gone'
Traceback (most recent call last):

  File "script_ops.py", line 269, in __call__
    ret = func(*args)

KeyError: 'the file is gone'


\t [[{{node PyFunc}}]]
\t [[while/body/_1/while/IteratorGetNext]] [Op:__inference_train_function_5267]"""
LAYER = """Exception encountered when calling Net.call().

\x1b[1mInput 0 of layer 'dense' is incompatible. Full shape received: (2, 3)\x1b[0m

Arguments received by Net.call():
  • x=jnp.ndarray(shape=(2, 3), dtype=float32)"""
EAGER = "{{function_node __wrapped__Next_device_/CPU:0}} No file. [Op:Next] name:"


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (GRAPH, "ValueError: KeyError: 'the file is gone'"),
        (EAGER, "ValueError: No file"),
        (
            "logits [3], labels [9]\n\t [[{{node a/b}}]]",
            "ValueError: logits [3]",
        ),
        (LAYER, "ValueError: Input 0 of layer 'dense' is incompatible"),
        ("", "ValueError"),
        ("one line.", "ValueError: one line"),
        ("x" * 1000, f"ValueError: {'x' * 300}.."),
    ],
)
def test_the_line_that_says_what_happened_is_found(message, line):
    found = telling_line(ValueError(message))
    assert found.startswith(line) and len(found) < 330
    assert "Detected" not in found and "node" not in found


def test_a_warning_points_at_the_first_line_outside_the_package():
    inside = {"__name__": "tf_lottery.deep", "warn": warn}
    exec("def one(): two()\ndef two(): warn('look')", inside)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inside["one"]()
    assert caught[0].filename == __file__


def test_the_log_of_tensorflow_is_silent_in_quiet_also_where_a_notebook_shows_it():
    shown, logger = io.StringIO(), logging.getLogger("tensorflow")
    handler, level = logging.StreamHandler(shown), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with quiet():
            logger.info("Assets written to: /tmp/assets")
        logger.info("later")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert shown.getvalue() == "later\n"
