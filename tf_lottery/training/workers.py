"""The processes of one search: the chief decides and writes, the others follow.

All take part in every training. What to train, its masks and its weights come
from the chief through the collectives of the devices. So the others need neither a run
directory nor a decision of their own.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tf_lottery.bindings.parts import Processes
from tf_lottery.core.arrays import Lazy
from tf_lottery.core.encoding import dtype_of
from tf_lottery.core.errors import InvariantError

_PIECE = 2**25  # integers of 8 bytes


class Workers:
    """Sends messages between the processes of a search.

    With one process nothing is sent, and that process is the chief.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self.count = processes.count
        self.index = processes.index
        self.lost = processes.lost
        self.is_chief = self.index == 0
        self._collective = False  # whether all workers are in one training now

    def broadcast(self, content: bytes = b"") -> bytes:
        """The chief's bytes, on every worker."""
        if self.count == 1:
            return content
        content = content if self.is_chief else b""
        size = int(self._processes.sum(np.array([len(content)]))[0])
        padded = np.zeros(-(-size // 8), np.int64)
        padded.view(np.uint8)[: len(content)] = np.frombuffer(content, np.uint8)
        for start in range(0, len(padded), _PIECE):
            piece = slice(start, start + _PIECE)
            padded[piece] = self._processes.sum(padded[piece])
        return padded.view(np.uint8)[:size].tobytes()

    def broadcast_json(self, values: Any = None) -> Any:
        """The chief's plain values, on every worker."""
        if self.count == 1:
            return values
        return json.loads(self.broadcast(json.dumps(values).encode()))

    def broadcast_arrays(self, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        """The chief's arrays, each shared when it is read: by all, in one order."""
        if self.count == 1:
            return arrays
        names = self.broadcast_json(list(arrays))
        return Lazy(names, lambda name: self._broadcast_array(arrays, name))

    def _broadcast_array(self, arrays: Mapping[str, Any], name: str) -> Any:
        kind, content = None, b""
        if self.is_chief:
            array = np.asarray(arrays[name])
            kind, content = (array.dtype.name, array.shape), array.tobytes()
        dtype, shape = self.broadcast_json(kind)
        return np.frombuffer(self.broadcast(content), dtype_of(dtype)).reshape(shape)

    def gather(self, rows: Sequence[Sequence[int]]) -> Any:
        """The rows of all replicas, on every worker: local ones come in `rows`."""
        if self.count == 1:
            return np.array(rows, np.int64)
        matrix = np.zeros((self._processes.replicas, len(rows[0])), np.int64)
        matrix[self.index * len(rows) : (self.index + 1) * len(rows)] = rows
        return self._processes.sum(matrix.reshape(-1)).reshape(matrix.shape)

    def check_masks(
        self, replicas: Sequence[Mapping[str, Any]], masks: Mapping[str, Any]
    ) -> None:
        """Raises unless every replica of every worker holds these masks.

        `replicas` are the masks on each replica of this process.
        """
        rows, expected = self.gather(list(map(hashes, replicas))), hashes(masks)
        for replica, found in enumerate(rows):
            pairs = zip(masks, found, expected, strict=True)
            if differ := [path for path, one, other in pairs if one != other]:
                worker = replica * self.count // self._processes.replicas
                raise InvariantError(
                    f"The masks of {', '.join(map(repr, differ))} on replica {replica} "
                    f"(worker {worker}) are not those that were decided."
                )

    def end(self, content: bytes = b"") -> None:
        """Ends the other workers' part, and sends them the result."""
        self.broadcast_json({"task": "end"})
        self.broadcast(content)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """While all workers train together: they cannot receive messages."""
        self._collective = True
        yield
        self._collective = False  # not after an error: the others may be inside

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Ends on every worker when one fails: with a message, not with a hang."""
        if self.count == 1:
            yield
            return
        try:
            yield
        except self.lost as error:
            raise RuntimeError(
                f"Worker {self.index} lost another one, or failed itself, and cannot "
                "continue alone. Start all workers again: the search continues from "
                f"its run directory. TensorFlow says: {_in_short(error)}"
            ) from error
        except BaseException as error:
            if self.is_chief and not self._collective:
                why = str(error) or type(error).__name__
                with contextlib.suppress(*self.lost):
                    self.broadcast_json({"task": "stop", "why": why})
            raise

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Raises on every worker unless all were started with the same facts."""
        if self.count == 1:
            return
        row = [_hash(json.dumps(facts[name]).encode()) for name in facts]
        with self.training():  # all raise: the chief needs no message
            rows = self.gather([row] * self._processes.local)
            differing = (rows != rows[0]).any(axis=0)
            for name, differs in zip(facts, differing, strict=True):
                if differs:
                    raise ValueError(
                        f"All workers must be started alike. Received: another {name} "
                        "on some. Use the same program, arguments, data and versions."
                    )


def hashes(arrays: Mapping[str, Any]) -> list[int]:
    """A number for each array that differs where the arrays do."""
    return [_hash(np.packbits(arrays[name]).tobytes()) for name in arrays]


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.sha256(content).digest()[:7], "big")


def _in_short(error: BaseException) -> str:
    """The line of an error that says what failed."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "task" in line or "aborted" in line]
    return (telling or lines or [type(error).__name__])[0][:300]
