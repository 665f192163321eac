"""The search as users write it by hand: in PyTorch, and with stock tfmot in Keras."""

from typing import Any

import numpy as np
from _contestants import LeftOutError, Rounds, Search, Task
from _peer_keras import accuracy, compiled, fit, lenet


def pytorch(task: Task, data: Any, graph: str = "") -> Search:
    """The careful PyTorch search of `_peer_torch.py`, on the GPU where one is."""
    import _peer_torch as peer
    import torch

    has_gpu = torch.cuda.is_available()
    if graph and not has_gpu:
        raise LeftOutError("CUDA graphs need a GPU")
    rows = peer.Data.of("cuda" if has_gpu else "cpu", *data)
    peer.search(rows, rounds=0, steps=1)  # PyTorch imports its compiler in a first step

    def search() -> Rounds:
        outcomes = peer.search(
            rows,
            task.rounds,
            task.steps,
            evaluate_every=task.evaluate_every,
            batch_size=task.batch,
            learning_rate=task.learning_rate,
            seed=task.seed,
            graph=bool(graph),
        )
        return [(each.density, each.test_accuracy) for each in outcomes]

    return search


def tfmot(task: Task, data: Any) -> Search:
    """`prune_low_magnitude` whose masks are held, decided and rewound by hand.

    The model is wrapped, compiled and traced once. Between trainings the smallest
    weights of each layer are masked, and everything else gets its first value back.
    """
    train, validation, test = data
    from tensorflow_model_optimization.sparsity import keras as sparsity

    model = lenet(task)

    def search() -> Rounds:
        pruned = sparsity.prune_low_magnitude(model, pruning_schedule=_held(sparsity))
        compiled(pruned, task)
        pruned.optimizer.build(pruned.trainable_variables)
        variables = [*pruned.variables, *pruned.optimizer.variables]
        initial = [variable.numpy() for variable in variables]
        rounds = []
        for number in range(task.rounds + 1):
            step = sparsity.UpdatePruningStep()
            fit(pruned, task, train, validation, callbacks=[step])
            rounds.append((_density(pruned), accuracy(pruned, task, test)))
            if number < task.rounds:
                masks = _pruned(pruned, task)
                for variable, value in zip(variables, initial, strict=True):
                    variable.assign(value)
                for weight, mask, kept in masks:
                    mask.assign(kept)
                    weight.assign(weight * mask)
        return rounds

    return search


def _held(sparsity: Any) -> Any:
    """A schedule of tfmot that never ranks weights again."""
    import tensorflow as tf

    class Held(sparsity.PruningSchedule):
        def __call__(self, step: Any) -> Any:
            return tf.constant(False), tf.constant(0.0)

        def get_config(self) -> dict[str, Any]:
            return {"class_name": "Held", "config": {}}

    return Held()


def _masked(model: Any) -> list[tuple[str, Any, Any]]:
    """The name of each masked layer, its weight and its mask."""
    return [
        (layer.layer.name, weight, mask)
        for layer in model.layers
        for weight, mask, _ in layer.pruning_vars
    ]


def _pruned(model: Any, task: Task) -> list[tuple[Any, Any, Any]]:
    """Weight and mask variables, and masks without the smallest weights of a layer."""
    found = []
    for name, weight, mask in _masked(model):
        kept = mask.numpy()
        rate = task.logits_rate if name == "logits" else task.rate
        scores = np.where(kept == 1, np.abs(weight.numpy()), np.inf).ravel()
        smallest = np.argsort(scores, kind="stable")[: round(rate * int(kept.sum()))]
        kept.ravel()[smallest] = 0
        found.append((weight, mask, kept))
    return found


def _density(model: Any) -> float:
    masks = [mask.numpy() for _, _, mask in _masked(model)]
    return float(sum(m.sum() for m in masks) / sum(m.size for m in masks))
