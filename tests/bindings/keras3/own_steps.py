"""A model with a training step of its own, which each backend writes otherwise."""

import keras

BACKEND = keras.backend.backend()
registered = keras.saving.register_keras_serializable("tests")


class _Step(keras.Sequential):
    """Trains on twice the loss, and counts it in a metric of its own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.doubled = keras.metrics.Mean(name="doubled")

    def _twice(self, x, y, training=True):
        predicted = self(x, training=training)
        return 2 * self.compute_loss(x, y, predicted, training=training), predicted

    def _logs(self, loss, y, predicted):
        self.doubled.update_state(loss)
        for metric in self.metrics:
            if metric.name == "compile_metrics":
                metric.update_state(y, predicted)
        return {metric.name: metric.result() for metric in self.metrics}


if BACKEND == "tensorflow":
    import tensorflow as tf

    @registered
    class OwnStep(_Step):
        def train_step(self, data):
            x, y = data[:2]
            with tf.GradientTape() as tape:
                loss, predicted = self._twice(x, y)
            gradients = tape.gradient(loss, self.trainable_weights)
            self.optimizer.apply_gradients(
                zip(gradients, self.trainable_weights, strict=True)
            )
            return self._logs(loss, y, predicted)

elif BACKEND == "torch":
    import torch

    @registered
    class OwnStep(_Step):
        def train_step(self, data):
            x, y = data[:2]
            self.zero_grad()
            loss, predicted = self._twice(x, y)
            loss.backward()
            weights = self.trainable_weights
            gradients = [weight.value.grad for weight in weights]
            with torch.no_grad():
                self.optimizer.apply(gradients, weights)
            return self._logs(loss, y, predicted)

else:
    import jax

    @registered
    class OwnStep(_Step):
        def train_step(self, state, data):
            trained, others, slots, metrics = state
            x, y = data[:2]

            def loss_of(trained):
                mapping = [
                    *zip(self.trainable_variables, trained, strict=True),
                    *zip(self.non_trainable_variables, others, strict=True),
                ]
                with keras.StatelessScope(state_mapping=mapping) as scope:
                    loss, predicted = self._twice(x, y)
                changed = [
                    scope.get_current_value(v) for v in self.non_trainable_variables
                ]
                return loss, (predicted, changed)

            found, gradients = jax.value_and_grad(loss_of, has_aux=True)(trained)
            loss, (predicted, others) = found
            trained, slots = self.optimizer.stateless_apply(slots, gradients, trained)
            mapping = list(zip(self.metrics_variables, metrics, strict=True))
            with keras.StatelessScope(state_mapping=mapping) as scope:
                logs = self._logs(loss, y, predicted)
            metrics = [scope.get_current_value(v) for v in self.metrics_variables]
            return logs, (trained, others, slots, metrics)
