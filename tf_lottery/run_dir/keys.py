"""What identifies a training: equal keys mean equal bits, wherever bits repeat."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.core.outcome import State
from tf_lottery.core.plan import Plan
from tf_lottery.core.ticket import Ticket
from tf_lottery.run_dir.sealed import digest_of_sorted as _digest

_ENTRIES = ("architecture", "compile_config", "data", "versions", "devices")
_TRAINING = ("epochs", "steps", "steps_per_epoch", "batch_size", "evaluate_every")


class Starts:
    """Hashes what a training starts from: masks, state and step."""

    def __init__(self) -> None:
        self._last: tuple[State, str] | None = None

    def of(self, ticket: Ticket) -> str:
        """The digest of what training a ticket starts from."""
        state = ticket.state
        # The tickets of a search start from one state.
        if self._last is None or self._last[0] is not state:
            self._last = state, _digest({name: _hash(state[name]) for name in state})
        return _digest([ticket.masks.digest(), ticket.step, self._last[1]])


class Keys:
    """Gives the trainings of a search keys, from its manifest.

    A key is a hash over the model, its compilation, the data (the contents of arrays,
    the element spec of datasets), versions, devices, the length of the training, the
    seed of its data, the ticket (masks, state and step), and how many trainings share
    a program.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._manifest = {name: manifest.get(name) for name in _ENTRIES}
        self._starts = Starts()

    def key(self, ticket: Ticket, plan: Plan, together: int = 1) -> str:
        """The key of training a ticket.

        Args:
            ticket: What is trained.
            plan: That of its replicate.
            together: How many trainings share its program.
        """
        values = plan.to_json()
        return _digest(
            {
                **self._manifest,
                **({"together": together} if together > 1 else {}),
                "training": [values[name] for name in _TRAINING],
                "optimizer": plan.retrain == "fine_tune",
                "seed": plan.seed,
                "start": self._starts.of(ticket),
            }
        )


def _hash(array: Any) -> list[Any]:
    array = np.asarray(array)
    constant = array.size > 1 and not any(array.strides)
    part = array.reshape(-1)[:1] if constant else array
    contents = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
    return [str(array.dtype), array.shape, hashlib.sha256(contents).hexdigest()]
