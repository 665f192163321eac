"""What must hold of a model and its data before anything is trained."""
