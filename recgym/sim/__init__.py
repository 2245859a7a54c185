"""The simulator: a World, a batch of sessions over it, a slate in, feedback out."""
