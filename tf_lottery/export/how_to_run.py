"""How an exported file is run without tf_lottery: code for each format."""

import json

from tf_lottery.core.words import printable
from tf_lottery.export.card import Card
from tf_lottery.export.markdown import plain

_CODE = {
    "Keras file": """\
import {keras}

model = {keras}.saving.load_model({file}, compile=False)
outputs = model.predict(inputs)""",
    "SavedModel": """\
import tensorflow as tf

loaded = tf.saved_model.load({file})  # keep it: a signature does not
serve = loaded.signatures["serving_default"]
print(serve.structured_input_signature)  # the names of the inputs
outputs = serve(**inputs)  # tensors by name""",
    "TFLite": """\
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter({file})
interpreter.allocate_tensors()
taken = interpreter.get_input_details()[0]
given = interpreter.get_output_details()[0]
interpreter.set_tensor(taken["index"], example)  # of shape taken["shape"]
interpreter.invoke()
outputs = interpreter.get_tensor(given["index"])""",
    "ONNX": """\
import onnxruntime

session = onnxruntime.InferenceSession({file})
outputs = session.run(None, inputs)  # arrays by name""",
}


def how_to_run(card: Card) -> str:
    """Python that runs the file, and its inputs and outputs, as Markdown."""
    keras = "tf_keras" if "tf_keras" in card.versions else "keras"
    file = json.dumps(printable(card.file), ensure_ascii=False)
    code = _CODE[card.format["format"]].format(file=file, keras=keras)
    ports = [f"- {plain(name)}: {plain(what)}" for name, what in card.signature.items()]
    listed = "\n".join(["Inputs and outputs:", "", *ports])
    return f"```python\n{code}\n```\n\n{listed}"
