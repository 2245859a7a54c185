"""Constants of the observations. Public: an agent that computes an observation from a log uses the same numbers."""

HISTORY_LENGTH = 20  # H, shown items of the observation "history"
HISTOGRAM_DECAY = (
    0.8  # share of a category histogram of the observation "features" that a step leaves, in [0, 1)
)
