"""Steps of the GPU report: whole searches, and the paper's protocol of LeNet."""

import random
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _mnist
import numpy as np
from _gpu_cases import BATCH, LAST_LAYER, Scale, lenet
from _gpu_log import Log

from tf_lottery import Plan, Trainer, find_ticket

TURNS = 3


def search(log: Log, scale: Scale) -> None:
    """A search beside plain fits of Keras, and beside its own compiled trainings."""
    data = _mnist.mnist()
    measures: dict[str, Callable[..., float]] = {
        "search, s": _searched,
        "plain fits, s": _fits,
    }
    for turn in range(TURNS):
        if log.has("search", f"turn {turn + 1}"):
            continue
        if log.left() < 20:
            return
        row: dict[str, float] = {}
        for name in random.Random(turn).sample(list(measures), len(measures)):
            row[name] = measures[name](data, scale)
        row |= _compiled(data, scale)
        row["search / fits"] = row["search, s"] / row["plain fits, s"]
        row["search / steps"] = row["search, s"] / row["its steps compiled, s"]
        log.add("search", f"turn {turn + 1}", row)
    note = f"LeNet-300-100, {scale.rounds} rounds of {scale.steps:,} steps, validated "
    note += f"every {scale.evaluate_every}, with a run directory; each search from its "
    note += "call to its ticket, with compilation; the fits are compiled once."
    log.end("search", True, note)


def paper(log: Log, scale: Scale) -> None:
    """LeNet at the paper's length: replicates, and reinitialised tickets."""
    data = _mnist.mnist()
    warnings.simplefilter("ignore", UserWarning)  # whether the ticket won
    find_ticket(
        lenet,
        data.train,
        scale.paper_rounds,
        steps=scale.paper_steps,
        batch_size=BATCH,
        validation_data=data.validation,
        test_data=data.test,
        evaluate_every=scale.evaluate_every,
        layer_rates=LAST_LAYER,
        replicates=scale.replicates,
        controls="reinit",
        control_replicates=scale.draws,
        together=scale.together,
        run_dir=log.directory / "run",
        verbose=2,
    )
    log.end("paper", True)


def _searched(data: Any, scale: Scale) -> float:
    warnings.simplefilter("ignore", UserWarning)  # whether the ticket won
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        find_ticket(
            lenet(),
            data.train,
            validation_data=data.validation,
            run_dir=Path(directory) / "run",
            verbose=0,
            **_plan(scale),
        )
        return time.perf_counter() - started


def _fits(data: Any, scale: Scale) -> float:
    """Dense trainings; each gets the first weights and optimizer state again."""
    model = lenet()
    started = time.perf_counter()
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    first = [np.array(variable) for variable in variables]
    for _ in range(scale.rounds + 1):
        for variable, value in zip(variables, first, strict=True):
            variable.assign(value)
        model.fit(
            *data.train,
            batch_size=BATCH,
            epochs=scale.steps // scale.evaluate_every,
            steps_per_epoch=scale.evaluate_every,
            validation_data=data.validation,
            verbose=0,
        )
    return time.perf_counter() - started


def _compiled(data: Any, scale: Scale) -> dict[str, float]:
    """What the search's steps and validation passes take, once they are compiled."""
    trainer = Trainer(
        lenet(), data.train, Plan(**_plan(scale)), validation_data=data.validation
    )
    prepared = trainer._prepared
    engine, batches = prepared.searched.engine, prepared.data.feed.begin()
    validation = prepared.data.evaluated["val"]
    group = min(engine.group, scale.evaluate_every)
    spent: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> None:
        started = time.perf_counter()
        work()
        spent[name] = time.perf_counter() - started

    def train(steps: int) -> None:
        found = batches.open(0)
        for _ in range(0, steps, group):
            engine.train(found, group)

    def validate(times: int) -> None:
        for _ in range(times):
            engine.evaluate(validation, engine.group, None)

    train(group)
    validate(1)
    steps = (scale.rounds + 1) * scale.steps
    timed("its steps compiled, s", lambda: train(steps))
    timed("its passes, s", lambda: validate(steps // scale.evaluate_every))
    return spent


def _plan(scale: Scale) -> dict[str, Any]:
    return {
        "rounds": scale.rounds,
        "steps": scale.steps,
        "batch_size": BATCH,
        "evaluate_every": scale.evaluate_every,
        "layer_rates": LAST_LAYER,
    }
