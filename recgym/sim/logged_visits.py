"""Logged sessions (visits) as input of teacher forcing, and its output.

Axes: V visits, S steps of all visits, K positions, E events, O options of all steps.
"""

from typing import NamedTuple

from recgym.arrays import Doubles, Indices
from recgym.sim.state import Slates


class LoggedVisits(NamedTuple):
    """Whole visits in one table. A slate shorter than K is padded with its first item, which is then a repeat."""

    user: Indices  # (V,) -1 for an unknown user
    context: Indices  # (V,)
    begin: Slates  # (V + 1,) first step of each visit, and S
    slate: Slates  # (S, K) items of the world
    events: Indices  # (S, K) bit e for event e
    known: Indices  # (1,) bit e: the log has event e


class PageItems(NamedTuple):
    """Items of the page at each step with a choice."""

    begin: Slates  # (S + 1,) first option of each step, and O
    item: Slates  # (O,)


class Options(NamedTuple):
    """`PageItems`, and memory for one number for each option of a step."""

    begin: Slates  # (S + 1,)
    item: Slates  # (O,)
    odds: Doubles  # (most options of a step,)


class Predicted(NamedTuple):
    """Forecasts before each step, given the visit so far."""

    x: Doubles  # affinity at random intercept 0, (S, K), or (O,) for choices
    chance: Doubles  # probability of each event, (S, K, E), or of each option given that one is chosen, (O,)
    left: Doubles  # (S,) probability that the visit ends with the step, given its response, or that no choice follows
