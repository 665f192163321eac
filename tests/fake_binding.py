"""A binding whose models are arrays: it trains by arithmetic, without a framework.

It offers what `tf_lottery.bindings.protocol.Binding` says. The tests that use it run
the trainer, the loop and the checkpoints of every search, in milliseconds.
"""

import contextlib
import dataclasses
import functools
import itertools
import sys
import zlib
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from tf_lottery import bindings
from tf_lottery.bindings.parts import Faults, Searched
from tf_lottery.core.errors import TicketError
from tf_lottery.core.masks import Masks, masked
from tf_lottery.core.seeds import derive

NAME = "fake"
PACKAGES = ("numpy",)
STEPS = 100  # of an epoch
BEST = 50  # the step of minimum loss
ITERATIONS = "optimizer:iterations"

# Models of this module are of this binding.
bindings._BINDINGS[__name__] = NAME
sys.modules[f"tf_lottery.bindings.{NAME}"] = sys.modules[__name__]


@dataclasses.dataclass
class Model:
    """Arrays to be trained, which follow from a seed.

    Attributes:
        shapes: Of the prunable weights, by path.
        train_as: Gives the weight after a step, of (path, mask, weight), if not by
            chance.
        draw_as: Gives the initial weight of (path, array drawn), if not the array.
        score: The accuracy that every evaluation finds.
        seed: What its weights follow from.
        stop_training: Whether a callback asked to end the training.
    """

    shapes: dict
    train_as: Callable | None = None
    draw_as: Callable | None = None
    score: float = 0.9
    seed: int = 0
    stop_training: bool = False

    def count_params(self):
        """The number of weights, as Keras counts them."""
        return sum(a.size for name, a in self.state().items() if ":" not in name)

    def state(self):
        """The initial state."""
        draw = np.random.default_rng(self.seed)
        shapes = {**self.shapes, "dense/bias": (5,)}
        state = {p: draw.normal(size=s).astype("f4") for p, s in shapes.items()}
        if self.draw_as:
            state = {path: self.draw_as(path, array) for path, array in state.items()}
        state["norm/moving_mean"] = np.zeros(5, "f4")
        state[ITERATIONS] = np.array(0)
        slots = {p: np.zeros(s, "f4") for p, s in self.shapes.items()}
        return state | {f"optimizer:m/{path}": slot for path, slot in slots.items()}


class Live:
    """The arrays of a model: views of one vector, so that a step is quick."""

    def __init__(self, model):
        self._model = model
        state = model.state()
        floats = {name: a for name, a in state.items() if name != ITERATIONS}
        self._vector = np.concatenate([a.reshape(-1) for a in floats.values()])
        self._pruned = np.zeros(self._vector.shape, bool)
        self._arrays = _views(self._vector, floats) | {ITERATIONS: state[ITERATIONS]}
        self._removed = _views(self._pruned, floats)
        self._noise = _noise(len(self._vector))
        self._masks = Masks.full(model.shapes)

    @property
    def shapes(self):
        return dict(self._model.shapes)

    def read(self):
        return {name: array.copy() for name, array in self._arrays.items()}

    def view(self):
        return dict(self._arrays)

    def read_weights(self):
        return _weights(self.read())

    def view_weights(self):
        return _weights(self.view())

    def assign(self, state, masks):
        expected = {name: array.shape for name, array in self._arrays.items()}
        found = {name: np.shape(state[name]) for name in state}
        needed = _weights(expected).keys()
        if found.items() - expected.items() or needed - found.keys():
            raise TicketError(f"This ticket was found on another model: {found}.")
        if masks.shapes != self.shapes:
            raise TicketError(f"This ticket was found on another model: {masks!r}.")
        self._masks = masks
        for path, mask in masks.items():
            for name in (path, f"optimizer:m/{path}"):
                self._removed[name][...] = ~mask
        for name in state:
            mask = masks.get(name.removeprefix("optimizer:m/"))
            self._arrays[name][...] = masked(np.asarray(state[name]), mask)

    def faults(self):
        return Faults(self._changed(), self._leaking())

    def _leaking(self):
        return [p for p, mask in self._masks.items() if self._arrays[p][~mask].any()]

    def _changed(self):
        masks = self._masks.items()
        return [p for p, mask in masks if (self._removed[p] == mask).any()]

    def replica_masks(self):
        return [{path: ~self._removed[path] for path in self.shapes}]

    def average(self):
        pass

    def step(self, number, step):
        """Takes a step, which depends on the batch, and on where the weights are."""
        key = zlib.crc32(self._vector.tobytes(), number)
        train_as = self._model.train_as
        before = self.read() if train_as else {}
        self._vector += self._noise[key % len(self._noise)]
        for path, mask in self._masks.items() if train_as else ():
            self._arrays[path][...] = train_as(path, mask, before[path])
        self._vector[self._pruned] = 0
        self._arrays[ITERATIONS][...] = step


def _views(vector, like):
    """Parts of a vector with the names and shapes of other arrays."""
    ends = np.cumsum([array.size for array in like.values()])[:-1]
    parts = zip(like.items(), np.split(vector, ends), strict=True)
    return {name: part.reshape(array.shape) for (name, array), part in parts}


def _weights(state):
    return {name: array for name, array in state.items() if ":" not in name}


@functools.cache
def _noise(size):
    return np.random.default_rng(0).normal(scale=0.1, size=(64, size)).astype("f4")


class Engine:
    """Takes the steps of a model."""

    least = group = 50
    errors = ()
    metrics = ("accuracy", "loss")
    traces = 1
    names = SimpleNamespace(recorded=dict, shown=dict)

    def __init__(self, model, live):
        self.model = model
        self.steps = 0
        self._live = live

    @property
    def stopped(self):
        return self.model.stop_training

    def begin(self, step):
        self.steps = step
        self.model.stop_training = False

    def begin_epoch(self):
        pass

    def train(self, batches, size):
        for _ in range(size):
            number = next(batches)
            self.steps += 1
            self._live.step(number, self.steps)
        return self._metrics()

    def evaluate(self, data, size, callbacks):
        return self._metrics(data), 1

    def callback_list(self, callbacks, epochs, steps):
        return Callbacks(callbacks, self.model)

    def finalize(self):
        return False

    def _metrics(self, worse=0.0):
        """The metrics on data, which say how much worse than training they are."""
        loss = 0.5 + abs(self.steps - BEST) / 500
        return {"loss": loss, "accuracy": self.model.score - worse}


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
    """Batches that are numbers.

    Args:
        numbers: Gives them from the beginning.
    """

    pass_length = None
    note = ""
    spec = example_spec = "a number"
    steps_per_epoch = STEPS
    repeatable = True
    ended = (StopIteration,)

    def __init__(self, numbers):
        self._numbers = numbers

    def begin(self):
        return self

    def open(self, step):
        return itertools.islice(self._numbers(), step, None)

    def missing(self, error, step, what):
        return RuntimeError(f"The numbers of {what} ended after step {step}.")

    def check_end(self, batches, step, what):
        pass


class Devices:
    """One processor."""

    on_cpu = True
    processes = SimpleNamespace(
        count=1, index=0, replicas=1, local=1, lost=(), sum=lambda values: values
    )
    scope = contextlib.nullcontext

    def in_words(self):
        return "one device"


# What a user passed.


def is_model(value):
    return isinstance(value, Model)


def check_model(model):
    if not is_model(model):
        raise TypeError(f"Received: {model!r}.")


def checked_callbacks(callbacks):
    return callbacks if callable(callbacks) else list(callbacks or ())


def check_use_no_other(callbacks, model):
    pass


def warn_of_lost_counts(callbacks, step, path):
    pass


def devices(strategy, model):
    return Devices()


# Models.


def called(model, seed, devices):
    return model() if callable(model) else model


def built(model, feed, seed):
    return model


def searched(model, examples, plan, devices, callbacks):
    copy = dataclasses.replace(model, seed=derive(plan.seed, "model"))
    live = Live(copy)
    return Searched(Engine(copy, live), live, architecture(), {}, [], "")


def architecture():
    return {"model": "fake", "binding": NAME}


compiled_copy = dataclasses.replace


def lacks(ticket, seed):
    return ""


# Random draws.

_seeds = [0]


@contextlib.contextmanager
def seeded(seed):
    state = np.random.get_state()
    np.random.seed(seed)
    _seeds.append(seed)
    try:
        yield
    finally:
        _seeds.pop()
        np.random.set_state(state)


def redraw(model):
    return dataclasses.replace(model, seed=_seeds[-1])


def weights_of(model):
    return _weights(model.state())


def trainable(model):
    return {*weights_of(model)}


def generators_of(model, seed, devices):
    return {}


def generator(seed):
    return np.array(seed)


# Data: training data are None, which gives numbers by the seed, or a function of the
# seed that returns numbers. Validation and test data are what they take off a score.


def is_batches(value):
    return False


def readable(value, again):
    return value


def split(data, fraction):
    return data


def feed(train, plan, devices, class_weight, again):
    return Feed(again or functools.partial(_numbers, plan.seed))


def _numbers(seed):
    return (derive(seed, number) % 2**32 for number in itertools.count())


def evaluated(data, plan, devices):
    found = {"val": data.validation, "test": data.test}
    return {name: part for name, part in found.items() if part is not None}


def data_facts(examples):
    return {"dataset": {"batches": 9}}


def first_digests(examples):
    return {}


def data_notes(examples, devices):
    return []


def is_ordered_by_seed(train):
    return train is None


def contents(data):
    return str(data)


# What later rounds and users need.


def loss_gradient(model, batch):
    return lambda ticket, outcome: {p: np.abs(outcome.weights[p]) for p in ticket.masks}


def transfer(ticket, model, *, weights, skip):
    state = model.state() | (dict(ticket.weights) if weights else {})
    return dataclasses.replace(ticket, state=state, step=0, plan=None)


def identity_of(model, rates):
    return [model.shapes, sorted(rates)]


# The command line.


def start():
    pass


def under(dtype_policy):
    return contextlib.nullcontext()


def first_batches(data, number, batch_size):
    return data
