"""tfmot's own API: wrappers, a schedule, and the rewind callback."""
