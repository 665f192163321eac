"""A process of TensorFlow's own, for models that another backend computes."""
