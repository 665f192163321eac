"""Sweeps over ways to find tickets, with Keras Tuner."""
