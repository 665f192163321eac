"""Tables, files and figures of a search."""
