"""Transfer: the weights that the decoder of one task gives the decoder of another one.

Those of the network's blocks and places, of the context, of public user features and of events, which mean the same in
both tasks. Items, their codes and users are others, and begin anew.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from recgym.arrays import Arrays

OF_ONE_TASK = ("network.wte.", "code_bias", "users.weight", "tastes.", "continuation.")
OF_EVENTS = ("events.", "event_head.")


def taken_over(own: Arrays, saved: Mapping[str, NDArray[Any]], *, same_events: bool) -> Arrays:
    """Own weights with those of another task in place of what both share.

    Args:
        own: weights of the decoder by name.
        saved: those of the other one.
        same_events: whether the events of both tasks have the same names.

    Raises:
        ValueError: no block has the same shape: width, layers or heads differ.
    """
    apart = OF_ONE_TASK if same_events else (*OF_ONE_TASK, *OF_EVENTS)
    shared = {
        name: saved[name]
        for name, value in own.items()
        if not name.startswith(apart) and name in saved and saved[name].shape == value.shape
    }
    blocks = [name for name in own if name.startswith("network.h.")]
    if not all(name in shared for name in blocks if ".lora_" not in name):
        raise ValueError("its decoder has another width or other layers")
    return {**own, **shared}
