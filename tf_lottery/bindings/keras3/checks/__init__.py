"""What must hold of a model and of data before anything is trained."""
