"""A binding for each Keras: all that touches a live model."""
