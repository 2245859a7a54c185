"""Deep collaborative filtering and deep Q-learning on its towers; `deep_q` is the base of the value-based agents."""
