"""The search for a ticket of LeNet-300-100 as a careful PyTorch user writes it.

Nothing of Keras or of `tf_lottery` is used. The data lie on the device, Adam is fused,
masks are multiplied into the gradients after the backward pass and into the weights
after the step, and nothing waits for the device before a training ends. With `graph`,
a step is one CUDA graph. The last rows of a pass, which fill no batch, are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Masks = dict[str, torch.Tensor]
Rows = tuple[torch.Tensor, torch.Tensor]

RATE, LAST_RATE = 0.2, 0.1  # of the survivors; the output layer loses half as many
_WARM_UP = 3  # steps before a graph is captured, as PyTorch's documents ask for


@dataclass(frozen=True)
class Data:
    """Images and class numbers on a device; `test` may be left out."""

    train: Rows
    validation: Rows
    test: Rows | None = None

    @classmethod
    def of(cls, device: str, *parts: tuple[Any, Any]) -> "Data":
        """Copies arrays of images and of class numbers to a device."""
        return cls(
            *(
                (
                    torch.as_tensor(np.asarray(x, np.float32), device=device),
                    torch.as_tensor(np.asarray(y, np.int64), device=device),
                )
                for x, y in parts
            )
        )


@dataclass(frozen=True)
class Outcome:
    """What a training gave: a value for each validation pass, and at the end."""

    density: float
    losses: Sequence[float]
    accuracies: Sequence[float]
    test_accuracy: float | None


class Training:
    """A network with masks, and what trains it.

    Args:
        data: What it trains on, on one device.
        batch_size: Rows of a step.
        learning_rate: Of Adam.
        seed: Of the first weights and of the order of rows.
        graph: Whether a step is one CUDA graph; it needs a CUDA device.
    """

    def __init__(
        self,
        data: Data,
        *,
        batch_size: int = 60,
        learning_rate: float = 1.2e-3,
        seed: int = 0,
        graph: bool = False,
    ) -> None:
        torch.manual_seed(seed)
        device = data.train[0].device
        self.model = lenet().to(device)
        self.weights = dict(self.model.named_parameters())
        self.masks = {
            name: torch.ones_like(weight)
            for name, weight in self.weights.items()
            if weight.dim() > 1
        }
        self._held = [(self.weights[name], mask) for name, mask in self.masks.items()]
        self._data, self._seed = data, seed
        self._optimizer = torch.optim.Adam(
            self.weights.values(), learning_rate, fused=True, capturable=graph
        )
        self._positions = torch.arange(batch_size, device=device)
        self._first = {
            name: weight.detach().clone() for name, weight in self.weights.items()
        }
        self._graph = self._captured() if graph else None

    def rewind(self, masks: Mapping[str, torch.Tensor]) -> None:
        """Gives the survivors of masks their first weights, and Adam its first state.

        All is written in place, as a captured graph reads the same memory.
        """
        with torch.no_grad():
            for name, mask in masks.items():
                self.masks[name].copy_(mask)
            for name, weight in self.weights.items():
                weight.copy_(self._first[name])
            for weight, mask in self._held:
                weight.mul_(mask)
            for state in self._optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def train(self, steps: int, evaluate_every: int | None = None) -> Outcome:
        """Trains for so many steps; validates after each `evaluate_every`."""
        batches, found = self._batches(), []
        for done in range(1, steps + 1):
            self._positions.copy_(next(batches))
            if self._graph is None:
                self._step()
            else:
                self._graph.replay()
            if evaluate_every and done % evaluate_every == 0:
                found.append(self.evaluate(self._data.validation))
        losses, accuracies = torch.stack(found).T.tolist() if found else ([], [])
        test = self._data.test
        return Outcome(
            density=density(self.masks),
            losses=losses,
            accuracies=accuracies,
            test_accuracy=None if test is None else float(self.evaluate(test)[1]),
        )

    def evaluate(self, rows: Rows) -> torch.Tensor:
        """The mean loss and the accuracy, on the device."""
        x, y = rows
        with torch.no_grad():
            logits = self.model(x)
            loss = torch.nn.functional.cross_entropy(logits, y)
            return torch.stack([loss, (logits.argmax(1) == y).float().mean()])

    def _step(self) -> None:
        x, y = (part[self._positions] for part in self._data.train)
        self._optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(self.model(x), y).backward()
        for weight, mask in self._held:
            assert weight.grad is not None
            weight.grad.mul_(mask)
        self._optimizer.step()
        with torch.no_grad():
            for weight, mask in self._held:
                weight.mul_(mask)

    def _captured(self) -> Any:
        """A step as one graph; the steps that it is made with leave no trace."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        self.rewind(self.masks)
        return graph

    def _batches(self) -> Any:
        """Positions of batches, in a new order in each pass, the same each time."""
        size, rows = len(self._positions), len(self._data.train[1])
        device = self._positions.device
        generator = torch.Generator(device).manual_seed(self._seed)
        while True:
            order = torch.randperm(rows, generator=generator, device=device)
            yield from order[: rows - rows % size].view(-1, size)


def search(data: Data, rounds: int, steps: int, **arguments: Any) -> list[Outcome]:
    """Trains, prunes and rewinds; the outcomes of `rounds + 1` trainings.

    Args:
        data: On one device.
        rounds: How many times weights are pruned.
        steps: Of each training.
        **arguments: `evaluate_every`, and those of `Training`.
    """
    evaluate_every = arguments.pop("evaluate_every", None)
    training = Training(data, **arguments)
    outcomes = []
    for number in range(rounds + 1):
        outcomes.append(training.train(steps, evaluate_every))
        if number < rounds:
            training.rewind(pruned(training))
    return outcomes


def pruned(training: Training) -> Masks:
    """Masks without the smallest weights of each layer."""
    masks, last = {}, [*training.masks][-1]
    for name, mask in training.masks.items():
        kept = int(mask.sum())
        number = round((LAST_RATE if name == last else RATE) * kept)
        weight = training.weights[name].detach()
        scores = torch.where(mask == 1, weight.abs(), torch.inf)
        smallest = scores.flatten().argsort(stable=True)[:number]
        masks[name] = mask.flatten().index_fill(0, smallest, 0).view_as(mask)
    return masks


def density(masks: Masks) -> float:
    """The fraction of the weights that masks keep."""
    kept = sum(float(mask.sum()) for mask in masks.values())
    return kept / sum(mask.numel() for mask in masks.values())


def lenet() -> torch.nn.Sequential:
    """LeNet-300-100, with the paper's first weights."""
    layers: list[torch.nn.Module] = [torch.nn.Flatten()]
    for inputs, units in ((784, 300), (300, 100), (100, 10)):
        layer = torch.nn.Linear(inputs, units)
        torch.nn.init.xavier_normal_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])
