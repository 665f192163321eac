"""A binding whose models are arrays: it trains by arithmetic, without a framework.

It offers what `tf_lottery.bindings.protocol.Binding` says, so the trainer, the loop and
the checkpoints of the tests that use it are those of every search.
"""

import contextlib
import itertools
import sys
import zlib
from types import SimpleNamespace

import numpy as np

from tf_lottery import bindings
from tf_lottery.bindings.parts import Searched
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks
from tf_lottery.core.ticket import masked

NAME = "fake"
PACKAGES = ()
STEPS = 100  # of an epoch

# Models of this module are of this binding.
bindings._BINDINGS[__name__] = NAME
sys.modules[f"tf_lottery.bindings.{NAME}"] = sys.modules[__name__]


class Model:
    """Arrays to be trained.

    Args:
        shapes: Of the prunable weights, by path.
        train_as: Gives the trained weight of (path, mask, weight), if not by chance.

    Attributes:
        score: The accuracy that every evaluation finds.
        unknown: What of it cannot be compared.
    """

    def __init__(self, shapes, train_as=None):
        self.shapes = dict(shapes)
        self.train_as = train_as
        self.score = 0.9
        self.unknown = ""
        self.stop_training = False

    def state(self, seed):
        """The state that a seed gives."""
        draw = np.random.default_rng(seed)
        normal = {p: draw.normal(size=s) for p, s in self.shapes.items()}
        state = {path: array.astype("float32") for path, array in normal.items()}
        state["dense/bias"] = draw.normal(size=5).astype("float32")
        state["norm/moving_mean"] = np.zeros(5, np.float32)
        state["optimizer:iterations"] = np.array(0)
        slots = {p: np.zeros(s, "f4") for p, s in self.shapes.items()}
        return state | {f"optimizer:m/{path}": slot for path, slot in slots.items()}


class Live:
    """The arrays of a model."""

    def __init__(self, model, state):
        self.model = model
        self.shapes = model.shapes
        self.state = state
        self.masks = Masks.full(model.shapes)

    def read(self):
        return {name: np.array(array) for name, array in self.state.items()}

    def view(self):
        return self.state

    def read_weights(self):
        return {n: a for n, a in self.read().items() if ":" not in n}

    view_weights = read_weights

    def assign(self, state, masks):
        if unknown := [name for name in state if name not in self.state]:
            raise TicketError(f"This ticket was found on another model: {unknown}.")
        self.masks = masks
        given = {name: np.array(state[name]) for name in state}
        self.state = self.state | given
        for path, mask in masks.items():
            self.state[path] = masked(self.state[path], mask)

    def leaking(self):
        return [p for p, mask in self.masks.items() if self.state[p][~mask].any()]

    def changed_masks(self):
        return []

    def replica_masks(self):
        return [dict(self.masks)]

    def average(self):
        pass

    def step(self, draw):
        """Takes a step, which depends on the batch, and on where the weights are."""
        for name, array in self.state.items():
            key = [draw, zlib.crc32(name.encode())]
            # Multiples of 1/1024 add up to the same in any order.
            noise = np.random.default_rng(key).integers(-64, 64, array.shape) / 1024
            self.state[name] = (array + noise).astype(array.dtype)
            mask = self.masks.get(name)
            if mask is not None and self.model.train_as:
                self.state[name] = self.model.train_as(name, mask, array)
            self.state[name] = masked(self.state[name], mask)


class Engine:
    """Takes the steps of a model."""

    least = group = 50
    errors = ()
    metrics = ("accuracy", "loss")
    traces = 1
    names = SimpleNamespace(recorded=dict, shown=dict)

    def __init__(self, model, live):
        self.model = model
        self.live = live
        self.steps = 0

    @property
    def stopped(self):
        return self.model.stop_training

    def begin(self, step):
        self.steps = step
        self.model.stop_training = False

    def begin_epoch(self):
        pass

    def train(self, batches, size):
        for draw in itertools.islice(batches, size):
            self.live.step(draw)
            self.steps += 1
        self.live.state["optimizer:iterations"] = np.array(self.steps)
        return {"loss": 0.5, "accuracy": self.model.score}

    def evaluate(self, data, size, callbacks):
        return {"loss": 0.5, "accuracy": self.model.score}, 1

    def callback_list(self, callbacks, epochs, steps):
        return Callbacks(callbacks, self.model)

    def finalize(self):
        return False


class Callbacks:
    """Calls the methods that each callback has."""

    def __init__(self, callbacks, model):
        self._callbacks = callbacks
        for callback in callbacks:
            callback.model = model

    def __getattr__(self, name):
        def call(*arguments):
            for callback in self._callbacks:
                getattr(callback, name, lambda *_: None)(*arguments)

        return call


class Feed:
    """Batches that are numbers, by seed and step."""

    pass_length = counted = None
    spec = example_spec = "a number"
    steps_per_epoch = STEPS
    repeatable = True
    ended = (StopIteration,)

    def __init__(self, seed):
        self._seed = seed

    def begin(self):
        return self

    def open(self, step):
        return (
            zlib.crc32(f"{self._seed} {number}".encode())
            for number in itertools.count(step)
        )

    def missing(self, error, step, what):
        return None

    def check_end(self, batches, step, what):
        pass


class Devices:
    """One processor."""

    on_cpu = True
    needs_static_shapes = False
    processes = SimpleNamespace(count=1, index=0, replicas=1, local=1, lost=())
    scope = contextlib.nullcontext

    def in_words(self):
        return "one device"


def is_model(value):
    return isinstance(value, Model)


def check_model(model):
    assert is_model(model)


def warn_if_trained(model, plan):
    pass


def checked_callbacks(callbacks):
    return callbacks if callable(callbacks) else list(callbacks or ())


def check_use_no_other(callbacks, model):
    pass


def warn_of_lost_counts(callbacks, step, path):
    pass


def devices(strategy, model):
    return Devices()


def called(model, seed, devices):
    return model() if callable(model) else model


def built(model, feed, seed):
    return model


def searched(model, examples, plan, devices, callbacks):
    live = Live(model, model.state(plan.seed))
    architecture = {"model": "fake", "binding": NAME}
    return Searched(Engine(model, live), live, architecture, {}, [], model.unknown)


def compiled_copy(model):
    return model


def lacks(ticket, seed):
    return ""


@contextlib.contextmanager
def seeded(seed):
    redraw.seed = seed
    yield


def redraw(model):
    found = Model(model.shapes)
    found.seed = redraw.seed
    return found


def weights_of(model):
    state = model.state(getattr(model, "seed", 0))
    return {name: array for name, array in state.items() if ":" not in name}


def trainable(model):
    return {*model.shapes, "dense/bias", "norm/moving_mean"}


def generators_of(model, seed, devices):
    return {}


def generator(seed):
    return np.array(seed)


def is_batches(value):
    return False


def part(value, again):
    return value


def split(data, fraction):
    return data


def feed(train, plan, devices, class_weight, again):
    return Feed(plan.seed)


def evaluated(data, plan, devices):
    found = {"val": data.validation, "test": data.test}
    return {name: part for name, part in found.items() if part is not None}


def data_facts(examples):
    return {"dataset": {"batches": 9}}


def data_notes(examples, devices):
    return []


def is_ordered_by_seed(train):
    return True


def contents(data):
    return str(data)


def identity_of(model, rates):
    return [model.shapes, sorted(rates)]
