"""The only part with a live model: data, the training loop, the trainer."""
