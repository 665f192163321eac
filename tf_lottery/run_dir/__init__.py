"""What is on disk of a search, and how it is believed."""
