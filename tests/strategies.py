"""What hypothesis draws: masks with scores, rates, sizes of layers."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tf_lottery.core.masks import Masks

rates = st.sampled_from([0.1, 0.2, 0.5, 0.9]) | st.floats(0, 0.99)
scopes = st.sampled_from(["layerwise", "global"])
sizes = st.dictionaries(
    st.sampled_from(["a/kernel", "b/kernel", "block/c/kernel"]),
    st.integers(1, 3000),
    min_size=1,
)
# Few values, so that ties are common; both zeros; infinities.
_numbers = st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.0, np.inf, -np.inf])
_finite = st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.0, -2.5])


@st.composite
def masked_scores(draw, finite=False, min_layers=1):
    """Masks and scores for them; scores of removed weights may be anything."""
    layers = draw(st.integers(min_layers, 3))
    masks, scores = {}, {}
    for number in range(layers):
        shape = draw(npst.array_shapes(min_dims=1, max_dims=3, max_side=5))
        dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
        numbers = _finite if finite else _numbers
        numbers |= st.floats(-8, 8, width=16)
        path = f"layer{number}/kernel"
        scores[path] = draw(npst.arrays(dtype, shape, elements=numbers))
        masks[path] = draw(npst.arrays(bool, shape))
        removed = draw(st.sampled_from([0.0, -np.inf, np.inf, np.nan]))
        scores[path][~masks[path]] = removed
    return Masks(masks), scores
