"""Whole sessions of a policy in an environment (`play`), and the rules that its slates keep (`slate_rules`)."""
