"""Generative recommenders: items as semantic IDs, written code by code by a causal decoder."""
