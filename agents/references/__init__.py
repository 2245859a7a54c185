"""Agents to measure the others by: random, popularity, the logging policy, and the privileged oracles."""
