"""Models of tickets: rebuilt from a file, given, or of another task."""
