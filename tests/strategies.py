"""What hypothesis draws: masks with scores, rates, sizes of layers, plans."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tf_lottery.core import controls
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan

rates = st.sampled_from([0.1, 0.2, 0.5, 0.9]) | st.floats(0, 0.99)
scopes = st.sampled_from(["layerwise", "global"])
sizes = st.dictionaries(
    st.sampled_from(["a/kernel", "b/kernel", "block/c/kernel"]),
    st.integers(1, 3000),
    min_size=1,
)
block_sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))
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


def block_numbers(shape, block_size):
    """Which block each weight of an array is in, counted by position."""
    units, inputs = block_size
    if len(shape) != 2 or shape[0] % inputs or shape[1] % units:
        return np.arange(np.prod(shape, dtype=int)).reshape(shape)
    row, column = np.indices(shape)
    return row // inputs * (shape[1] // units) + column // units


def in_blocks(masks, block_size):
    """Whether no block is kept in part."""
    numbers = {path: block_numbers(masks[path].shape, block_size) for path in masks}
    return all(
        set(numbers[path][mask]).isdisjoint(numbers[path][~mask])
        for path, mask in masks.items()
    )


@st.composite
def blocked_scores(draw):
    """Masks of whole blocks, scores for them, and the size of a block.

    Some of the arrays are no matrices, or matrices that the block does not divide.
    """
    units, inputs = block_size = draw(block_sizes)
    masks, scores = {}, {}
    for number in range(draw(st.integers(1, 3))):
        shape = draw(npst.array_shapes(min_dims=1, max_dims=4, max_side=4))
        if len(shape) == 2 and draw(st.booleans()):
            shape = shape[0] * inputs, shape[1] * units
        path = f"layer{number}/kernel"
        blocks = block_numbers(shape, block_size)
        masks[path] = draw(npst.arrays(bool, int(blocks.max()) + 1))[blocks]
        numbers = _finite | st.floats(-8, 8, width=16)  # their sums are exact
        scores[path] = draw(npst.arrays(np.float32, shape, elements=numbers))
        anything = st.sampled_from([0.0, -np.inf, np.inf, np.nan])
        removed = draw(npst.arrays(np.float32, shape, elements=anything))
        scores[path] = np.where(masks[path], scores[path], removed)
    return Masks(masks), scores, block_size


@st.composite
def extents(draw):
    """Plans that train more or less."""
    rounds = draw(st.integers(1, 4))
    names = draw(st.lists(st.sampled_from([*controls.NAMES]), unique=True))
    of = st.none() | st.sets(st.integers(1, rounds))
    each = st.fixed_dictionaries(
        {name: st.sets(st.integers(1, rounds)) for name in names}
    )
    return Plan(
        rounds=rounds,
        controls=tuple(names),
        control_rounds=draw(of | each) if names else None,
        control_replicates=draw(st.integers(1, 3)),
        replicates=draw(st.integers(1, 3)),
    )
