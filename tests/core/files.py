"""What a file of arrays holds in the tests of `io`."""

import ml_dtypes
import numpy as np

from tf_lottery.core.masks import Masks

MASKS = Masks({"k": np.arange(24).reshape(4, 6) % 3 == 0})
GROUPS = {
    "state": {
        "k": np.where(MASKS["k"], np.arange(24, dtype="f4").reshape(4, 6), 0),
        "bias": np.float32([0.5, -1.5, np.nan]),
        "half": np.array([1.5, 2.5, -0.0], ml_dtypes.bfloat16),
        "slots": np.broadcast_to(np.float32(0.25), (3, 5)),
        "optimizer:iterations": np.array(7),
    },
    "flags": {"seen": np.array([True, False, True])},
}
