"""Copies of models, and the proof that they are copies."""
