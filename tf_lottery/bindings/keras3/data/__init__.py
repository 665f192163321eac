"""Batches of NumPy arrays, whatever form the data came in, without TensorFlow.

On the TensorFlow backend batches come from `tf_shared.data` instead.
"""

from typing import Any

from tf_lottery.bindings.keras3._imports import BACKEND

feeding: Any
forms: Any
examples: Any
if BACKEND == "tensorflow":
    from tf_lottery.bindings.tf_shared.data import feeding, forms
    from tf_lottery.bindings.tf_shared.data.examples import examples
else:
    from tf_lottery.bindings.keras3.data import feeding, forms
    from tf_lottery.bindings.keras3.data.examples import examples

__all__ = ["examples", "feeding", "forms"]
