"""Bandits: `arms` is the base of those without context, `linear` of those with a linear reward."""
