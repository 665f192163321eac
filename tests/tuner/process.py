"""One process of a distributed sweep: chief or worker, by Keras Tuner's variables.

python -m tests.tuner.process DIRECTORY
"""

import json
import os
import sys
import time
from pathlib import Path

from tests.tuner.sweeping import BINDINGS, SweptTrainer, swept
from tf_lottery.tuner import trainers

WHO = os.environ["KERASTUNER_TUNER_ID"]


class Slow(SweptTrainer):
    """Says what it begins to train, and takes a while."""

    def train(self, ticket, **options):
        with open(Path(sys.argv[1]) / "log", "a") as log:
            print(WHO, self.plan.pruning_rate, ticket.round, file=log)
        time.sleep(0.15)
        return super().train(ticket, **options)


trainers.Trainer = Slow
trainers.bindings = BINDINGS

tuner = swept(Path(sys.argv[1]) / "runs")
if not tuner.is_worker:
    sweep = tuner.sweep()
    best = [ticket.plan.pruning_rate for ticket in tuner.get_best_tickets(9)]
    print(json.dumps([sweep.trained, sweep.trainings, sorted(best)]))
