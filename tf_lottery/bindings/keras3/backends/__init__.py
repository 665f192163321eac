"""What differs between Keras' backends, below models: tensors, seeds, devices.

Each module offers the same names, of which `_imports` chooses those of the backend.
"""
