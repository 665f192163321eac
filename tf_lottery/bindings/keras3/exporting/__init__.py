"""What exports need of Keras 3: plain models, as functions and as files."""
