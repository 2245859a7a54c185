"""Reference policies: random, popularity, the logging policy, and the privileged oracles."""
