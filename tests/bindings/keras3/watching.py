"""A look at a masked model after each step, and searches that are looked at."""

import keras
import numpy as np

from tests.bindings.keras3.models import arrays
from tf_lottery import Plan, Trainer, run_rounds
from tf_lottery.bindings.keras3 import hold
from tf_lottery.bindings.keras3.layers import named_weights

PLAN = Plan(rounds=2, steps=7, batch_size=16, rewind_to=3, evaluate_every=4)


def array_of(variable):
    return keras.ops.convert_to_numpy(variable.value)


class Watch(keras.callbacks.Callback):
    """Counts what must not be, after each step.

    Attributes:
        looks: The steps that were looked at.
        leaks: Pruned weights that were not +0.0.
        stained: Slots of pruned weights that were not neutral.
        dead: Weights with a mask of which all was zero.
    """

    def __init__(self):
        super().__init__()
        self.looks = self.leaks = self.stained = self.dead = 0

    def on_train_batch_end(self, batch, logs=None):
        self.looks += 1
        model = self.model
        weights, slots = named_weights(model), hold.slots_of(model)
        for path, variable in hold.masks_of(model).items():
            pruned, value = ~array_of(variable), array_of(weights[path])
            removed = np.ascontiguousarray(value[pruned])
            self.leaks += removed.tobytes().count(bytes([0])) != removed.nbytes
            self.dead += not value.any()
            for slot in slots.get(path, ()):
                if slot.variable.shape == weights[path].shape:
                    held = array_of(slot.variable)[pruned]
                    self.stained += bool((held != slot.neutral).any())


def searched(model, plan=PLAN, data=None, **more):
    """The trainer of a search that is done, and its rounds."""
    more.setdefault("validation_data", arrays(32, seed=1) if data is None else data)
    trainer = Trainer(model, data or arrays(), plan, **more)
    return trainer, list(run_rounds(trainer, trainer.plan))
