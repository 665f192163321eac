"""Keras Tuner sweeps over how tickets are found."""
