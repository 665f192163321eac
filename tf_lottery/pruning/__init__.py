"""The tfmot binding: which weights, the wrapped model, the schedule, the rewind."""
