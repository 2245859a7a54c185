"""Collaborative and content-based filtering: `neighbourhood` is the base of nearest neighbours; a Markov chain."""
