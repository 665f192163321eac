import pytest

from tf_lottery.core.telling import telling_line

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
        ("", "ValueError"),
        ("one line.", "ValueError: one line"),
        ("x" * 1000, f"ValueError: {'x' * 300}.."),
    ],
)
def test_the_line_that_says_what_happened_is_found(message, line):
    found = telling_line(ValueError(message))
    assert found.startswith(line) and len(found) < 330
    assert "Detected" not in found and "node" not in found
