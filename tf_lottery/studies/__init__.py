"""Studies of a whole task: its instability, and where to rewind to."""
