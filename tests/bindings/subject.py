"""What tests of all bindings look at."""

import numpy as np

from tf_lottery import bindings
from tf_lottery.core.masks import Masks
from tf_lottery.core.plan import Plan
from tf_lottery.training.trainer import Trainer

PLAN = Plan(epochs=1, seed=3)
STEPS = 6


class Subject:
    """A model that is prepared by its binding, and trained step by step.

    `dataset` must have at least `STEPS` batches.
    """

    def __init__(self, model, dataset, validation):
        self.model, self.validation = model, validation
        self.binding = bindings.of(model)
        self.passed = self.binding.weights_of(model)
        trainer = Trainer(model, dataset, PLAN, validation_data=validation)
        self.prepared = trainer._prepared
        searched, data = self.prepared.searched, self.prepared.data
        self.searched, self.engine, self.live = searched, searched.engine, searched.live
        self.data, self.feed = data, data.feed
        self.full = Masks.full(self.live.shapes)
        self.masks = Masks({p: self.third_removed(p) for p in self.live.shapes})

    def third_removed(self, path):
        shape = self.live.shapes[path]
        return (np.arange(np.prod(shape)) % 3 > 0).reshape(shape)

    def begin(self, masks=None, state=None):
        """Begins a training from a state, by default the initial one; its batches."""
        self.assign(state or self.prepared.initial, masks)
        self.engine.begin(0)
        self.engine.begin_epoch()
        with self.prepared.devices.scope():
            return self.feed.begin().open(0)

    def assign(self, state, masks=None):
        with self.prepared.devices.scope():
            self.live.assign(state, masks or self.full)

    def train(self, batches, size):
        with self.prepared.devices.scope():
            return self.engine.train(batches, size)

    def evaluate(self):
        with self.prepared.devices.scope():
            return self.engine.evaluate(self.data.evaluated["val"], STEPS, None)

    def trained(self, *sizes, masks=None):
        """The state after groups of steps of these sizes."""
        batches = self.begin(masks)
        for size in sizes:
            self.train(batches, size)
        return self.live.read()


def bits(arrays):
    """Arrays by name, as values that are equal if and only if all bits are."""
    found = {name: np.asarray(arrays[name]) for name in arrays}
    return {name: (a.dtype, a.shape, a.tobytes()) for name, a in found.items()}
