"""The one place that imports Keras Tuner, which is an extra."""

try:
    import keras_tuner as keras_tuner
except ImportError as error:
    raise ImportError(
        'Sweeps need Keras Tuner. Install it with "pip install tf-lottery[tuner]".'
    ) from error
