"""What the run directory of the paper's protocol holds, without a framework."""

import numpy as np
from _gpu_log import Log

from tf_lottery import load_history


def summary(log: Log, seconds: float) -> None:
    """Writes what the run directory of `paper` holds.

    Args:
        log: Where to.
        seconds: How long the search ran, in all calls.
    """
    history = load_history(log.directory / "run")
    trained = history.trainings()
    rows = log.step("paper")["rows"]
    rows.clear()
    kinds = {"ticket": None, "reinit": "reinit"}
    for number in range(history.plan.rounds + 1):
        for kind, control in kinds.items():
            of = [e for e in trained if (e.number, e.control) == (number, control)]
            if of:
                scores = [100 * each.score("test_accuracy") for each in of]
                rows[f"{kind} {number}"] = {
                    "density, %": 100 * of[0].ticket.masks.density,
                    "test accuracy, %": float(np.mean(scores)),
                    "its deviation": float(np.std(scores, ddof=1)) if of[1:] else "",
                    "best step": float(np.mean([e.outcome.best_step for e in of])),
                    "trainings": len(of),
                }
    plan, number = history.plan, len(trained)
    note = f"{number} of {plan.count()} trainings of {plan.steps:,} steps in "
    note += f"{seconds:,.0f} s: {seconds / max(number, 1):.2f} s each. Accuracy at the "
    note += "step of least validation loss; mean and sample deviation."
    log.end("paper", log.step("paper")["done"], note)
