"""JAX: trainings side by side in one program, a lane of `vmap` for each.

The bits of a training depend on the number of lanes, not on what the others hold or how
many of them are used. So a search that is continued with fewer trainings gives the same
results. The states of all lanes stay on the device. The model holds that of one lane,
and only while the code of its training reads or sets variables.
"""

import contextlib
import functools
import itertools
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from tf_lottery.bindings.keras3._imports import keras
from tf_lottery.bindings.keras3.backends.jax import faults_of, programs_kept
from tf_lottery.bindings.keras3.data.in_memory import InMemory, RowBatches
from tf_lottery.bindings.keras3.engines.base import flattened
from tf_lottery.bindings.keras3.engines.jax_groups import Step, grouped, room
from tf_lottery.bindings.keras3.engines.rows import RowsOnDevice, number_of_bytes
from tf_lottery.bindings.parts import Examples, Logs
from tf_lottery.bindings.shared.source import Source
from tf_lottery.bindings.shared.turns import Turns

_GROUP = 128  # steps of a program at most
# What a lane takes of memory, in states: two of them, a snapshot, and a step's needs.
_STATES = 5
_THREAD = keras.src.backend.common.global_state.GLOBAL_STATE_TRACKER


class Steps(NamedTuple):
    """What a lane asks for: training steps on rows at positions (steps, batch)."""

    rows: Any
    positions: Any

    @property
    def kind(self) -> Any:
        return "steps", id(self.rows), self.positions.shape[1]


class Pass(NamedTuple):
    """What a lane asks for: the metrics on rows."""

    rows: Any
    source: InMemory

    @property
    def kind(self) -> Any:
        return "pass", id(self.rows), self.source.batch_size


class Lanes:
    """Runs trainings side by side; while it does, it is `lanes` of engine and live.

    Args:
        engine: Takes the steps of the model.
        live: The variables of the model.
        train, test: The steps of the model, see `jax_groups.Step`.
        rows: Those that one device keeps.

    Attributes:
        devices: How many devices share the lanes.
    """

    def __init__(
        self, engine: Any, live: Any, train: Step, test: Step, rows: RowsOnDevice
    ) -> None:
        self._engine, self._live = engine, live

        def train_step(fixed: Any, state: Any, batch: Any) -> Any:
            *changing, decided = state
            logs, changed = train(fixed, tuple(changing), batch)
            return logs, (*changed, decided)

        self._train = grouped(jax.vmap(train_step, (None, 0, 0)), donate=True)
        self._test = grouped(jax.vmap(test, (0, 0, None)), donate=False)
        # One that the user chose trains alone.
        is_chosen = jax.config.values["jax_default_device"] is not None
        devices = list(jnp.zeros(()).devices()) if is_chosen else jax.local_devices()
        self.devices = len(devices)
        mesh = jax.sharding.Mesh(np.array(devices), "lanes")
        spec: Any = jax.sharding.PartitionSpec
        sharded = functools.partial(jax.sharding.NamedSharding, mesh)
        self._whole, self._divided = sharded(spec()), sharded(spec("lanes"))
        self._by_lane = sharded(spec(None, "lanes"))
        put = functools.partial(jax.device_put, device=self._whole)
        self._rows = rows if self.devices == 1 else RowsOnDevice(put, room)
        self._passes: Any = weakref.WeakKeyDictionary()
        self._found: Any = None  # faults of all lanes, if they are known
        self._loaded: tuple[int, Any] | None = None  # what the model holds, and whose

    def most(self) -> int:
        """The most lanes that fit on the devices."""
        values = self._live.read()
        size = number_of_bytes(list(values.values()))
        return max(1, self.devices * room() // (_STATES * size))

    def fits(self, examples: Examples) -> bool:
        """Whether all data are rows in memory that can stay on the device."""
        data = examples.data
        if any(isinstance(p, Source) for p in (data.train, *data.evaluated.values())):
            return False
        parts = examples.feed.begin().open(0), *map(iter, examples.evaluated.values())
        return all(self._rows.of(batches) is not None for batches in parts)

    def seconds(self, examples: Examples, width: int) -> float:
        """How long one step of so many lanes takes, once it is compiled."""
        batches: Any = examples.feed.begin().open(0)
        with self._running(width):
            question = Steps(self._rows.of(batches), batches.positions(_GROUP))
            asked = dict.fromkeys(range(width), question)
            self._taken_steps(asked)
            began = time.perf_counter()
            self._taken_steps(asked)
            return (time.perf_counter() - began) / len(question.positions)

    def run(self, tasks: Iterable[Iterator[Any]], width: int) -> Iterator[Any]:
        """Yields what trainings yield, of which so many run side by side."""
        with self._running(width):
            inherited = dict(vars(_THREAD))
            yield from self._turns.run(_inheriting(inherited, each) for each in tasks)

    # What the code of a training calls, in its turn.

    def load(self) -> None:
        """Lets the model hold the state of the lane whose turn it is."""
        lane = self._turns.lane
        if self._loaded is None or self._loaded[0] != lane:
            values = _taken(self._state, lane)
            self._set(values)
            self._loaded = lane, values

    def begin_epoch(self) -> None:
        """Resets the metrics of a lane, before its next step."""
        self._begin.add(self._turns.lane)

    def train(self, batches: RowBatches, size: int) -> Logs:
        """See `parts.Engine.train`."""
        rows, done, logs = self._rows.of(batches), 0, {}
        while done < size:
            found = batches.positions(min(_GROUP, size - done))
            while len(found):
                logs, taken = self._ask(Steps(rows, found))
                found, done = found[taken:], done + taken
                self._engine.steps += taken
        return logs

    def evaluate(self, batches: RowBatches) -> tuple[Logs, int]:
        """See `parts.Engine.evaluate`."""
        logs = self._ask(Pass(self._rows.of(batches), batches.source))
        return logs, batches.source.length

    def snapshot(self) -> list[Any]:
        """Copies of the weights and non-trainable variables, as `live` lists them."""
        self._store()
        places = [self._places[id(weight)] for weight in self._live.weights.values()]
        found = _taken(jax.tree.leaves(self._state[:2]), self._turns.lane)
        return [found[place] for place in places]

    def faults(self) -> tuple[list[bool], list[bool]]:
        """See `backends.jax.faults`; those of all lanes are looked for at once."""
        self._store()
        if self._found is None:
            weights, masks = (self._in_state(them) for them in self._live.masked)
            self._found = np.asarray(_faults(weights, masks, self._state[-1]))
        changed, leaking = self._found[self._turns.lane].tolist()
        return changed, leaking

    # What holds the states.

    @contextlib.contextmanager
    def _running(self, width: int) -> Iterator[None]:
        live, engine = self._live, self._engine
        model = engine.model
        self._kinds = [
            list(model.trainable_variables),
            list(model.non_trainable_variables),
            list(model.optimizer.variables),
            list(model.metrics_variables),
        ]
        flat = itertools.chain(*self._kinds)
        self._places = {id(variable): place for place, variable in enumerate(flat)}
        before = self._values()
        model.reset_metrics()
        self._fresh = self._values()[3]
        self._width = -(-width // self.devices) * self.devices
        self._state = self._in_lanes(before)
        self._begun = self._in_lanes(self._fresh)
        self._found = self._loaded = None
        self._begin: set[int] = set()
        self._turns = Turns(width, self._answers)
        live.lanes = engine.lanes = self
        try:
            with programs_kept():
                yield
        finally:
            live.lanes = engine.lanes = None
            self._set(before)
            del self._state, self._begun

    def _in_lanes(self, values: Any) -> Any:
        """The values in every lane."""

        def repeated(value: Any) -> Any:
            return jnp.broadcast_to(value, (self._width, *value.shape))

        return jax.device_put(jax.tree.map(repeated, values), self._divided)

    def _values(self) -> Any:
        """What the model holds, and the masks that were decided."""
        values = [[variable._value for variable in kind] for kind in self._kinds]
        if self._live.decided is None:
            _, masks = self._live.masked
            self._live.decided = [mask._value for mask in masks]
        return (*values, self._live.decided)

    def _set(self, values: Any) -> None:
        *kinds, self._live.decided = values
        for variables, kind in zip(self._kinds, kinds, strict=True):
            for variable, value in zip(variables, kind, strict=True):
                variable._value = value

    def _in_state(self, variables: Any) -> list[Any]:
        """What the lanes hold of some variables."""
        found = jax.tree.leaves(self._state[:-1])
        return [found[self._places[id(variable)]] for variable in variables]

    def _store(self) -> None:
        """Notes what the code of a lane has changed in the model."""
        if self._loaded is None or self._loaded[0] != self._turns.lane:
            return
        lane, before = self._loaded
        values = self._values()
        pairs = zip(jax.tree.leaves(before), jax.tree.leaves(values), strict=True)
        if any(one is not other for one, other in pairs):
            self._state, self._found = _put(self._state, values, lane), None
            self._loaded = lane, values

    def _ask(self, question: Any) -> Any:
        self._store()
        self._loaded = None
        steps = self._engine.steps
        answer = self._turns.ask(question)
        self._engine.steps = steps
        return answer

    # What is done when all lanes wait.

    def _answers(self, asked: Mapping[int, Any]) -> Mapping[int, Any]:
        """Steps first: so lanes that are apart meet at the next look."""
        first = next((q for q in asked.values() if isinstance(q, Steps)), None)
        first = first or next(iter(asked.values()))
        alike = {n: q for n, q in asked.items() if q.kind == first.kind}
        if isinstance(first, Pass):
            return self._evaluated(alike, first)
        others = {n: _taken(self._state, n) for n in asked if n not in alike}
        answers = self._taken_steps(alike)
        for number, values in others.items():
            self._state = _put(self._state, values, number)
        return answers

    def _taken_steps(self, asked: Mapping[int, Steps]) -> dict[int, Any]:
        some = next(iter(asked.values()))
        number = min(len(each.positions) for each in asked.values())
        positions = np.zeros((_GROUP, self._width, some.positions.shape[1]), np.int32)
        positions[:number] = some.positions[:number, None]  # of lanes that nobody uses
        for lane, each in asked.items():
            positions[:number, lane] = each.positions[:number]
        if beginning := self._begin & asked.keys():
            self._begin -= beginning
            lanes = np.isin(np.arange(self._width), list(beginning))
            metrics = _chosen(lanes, self._fresh, self._state[3])
            self._state = (*self._state[:3], metrics, self._state[4])
        placed = jax.device_put(positions, self._by_lane)
        source = some.rows, placed
        logs, self._state = self._train((), self._state, source, number)
        self._found, logs = None, self._of_lanes(logs)
        return {n: (logs[n], number) for n in asked}

    def _evaluated(self, asked: Mapping[int, Pass], some: Pass) -> dict[int, Any]:
        weights, unchanging = self._state[:2]
        zeros = {id(state) for state in self._engine.recurrent}
        pairs = zip(self._kinds[1], unchanging, strict=True)
        others = [jnp.zeros_like(v) if id(k) in zeros else v for k, v in pairs]
        state = others, self._begun
        logs: Any = {}
        for positions in self._positions_of(some.source):
            source, number = (some.rows, positions), len(positions)
            logs, state = self._test(weights, state, source, number)
        logs = self._of_lanes(logs)
        return {n: logs[n] for n in asked}

    def _of_lanes(self, logs: Any) -> list[Logs]:
        """The metrics of each lane, as numbers."""
        found = flattened(jax.device_get(logs))
        means = [
            np.mean(v.reshape(self._width, -1), 1).tolist() for v in found.values()
        ]
        return [dict(zip(found, row, strict=True)) for row in zip(*means, strict=True)]

    def _positions_of(self, source: InMemory) -> list[Any]:
        """The positions of a pass: of its whole batches, and of a smaller last one."""
        if source not in self._passes:
            whole = source.size // source.batch_size * source.batch_size
            parts = np.split(np.arange(source.size, dtype=np.int32), [whole])
            shapes = [(-1, source.batch_size), (1, -1)]
            found = [
                jax.device_put(part.reshape(shape), self._whole)
                for part, shape in zip(parts, shapes, strict=True)
                if len(part)
            ]
            self._passes[source] = found
        return cast(list[Any], self._passes[source])


def _inheriting(attributes: Mapping[str, Any], task: Iterator[Any]) -> Iterator[Any]:
    """A task that finds what Keras keeps for the thread that started it."""
    vars(_THREAD).update(attributes)
    yield from task


@jax.jit
def _taken(state: Any, lane: Any) -> Any:
    return jax.tree.map(lambda values: values[lane], state)


@functools.partial(jax.jit, donate_argnums=0)
def _put(state: Any, values: Any, lane: Any) -> Any:
    return jax.tree.map(lambda all_, one: all_.at[lane].set(one), state, values)


@jax.jit
def _chosen(lanes: Any, values: Any, others: Any) -> Any:
    """The values in some lanes, and others in the rest."""

    def chosen(value: Any, other: Any) -> Any:
        mask = jnp.reshape(lanes, (-1,) + (1,) * value.ndim)
        return jnp.where(mask, value, other)

    return jax.tree.map(chosen, values, others)


_faults = jax.jit(jax.vmap(faults_of))
