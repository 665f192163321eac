"""A search is a run in MLflow: its plan, each training as a nested run, its ticket.

pip install mlflow
"""

from pathlib import Path

import keras
import mlflow
import numpy as np

import tf_lottery


def main(
    rounds: int = 5, epochs: int = 10, run_dir: str = "runs/mlflow"
) -> tf_lottery.FoundTicket:
    """Searches a small model, then logs what was found."""
    x = np.random.default_rng(0).normal(size=(4_000, 20)).astype("float32")
    y = (np.square(x[:, :5]).sum(1) > 4.4).astype("int32")
    layers = [keras.layers.Dense(64, "relu"), keras.layers.Dense(2, "softmax")]
    model = keras.Sequential([keras.Input((20,)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with mlflow.start_run(run_name="search"):
        ticket = tf_lottery.find_ticket(
            model,
            (x, y),
            rounds,
            epochs=epochs,
            validation_split=0.2,
            run_dir=run_dir,
            verbose=0,
        )
        log(ticket, Path(run_dir))
    return ticket


def log(ticket: tf_lottery.FoundTicket, run_dir: Path) -> None:
    """Logs a search: also one that was found earlier, from its run directory."""
    history = ticket.history or tf_lottery.load_history(run_dir)
    mlflow.log_params(history.plan.to_json())
    mlflow.log_metrics({"density": ticket.density, "won": float(ticket.won)})
    for training in history.trainings():
        name = f"{training.control or 'round'}-{training.number}"
        with mlflow.start_run(run_name=name, nested=True):
            mlflow.log_metric("density", training.ticket.density)
            mlflow.log_metrics(dict(training.outcome.metrics))
            curves = training.outcome.curves
            for at, step in enumerate(curves["step"]):
                values = {k: v[at] for k, v in curves.items() if k != "step"}
                mlflow.log_metrics(values, step=int(step))
    mlflow.log_artifact(str(run_dir / "ticket.safetensors"))


if __name__ == "__main__":
    print(main().summary())
