"""Names of the parts of `agents.deep.towers.Towers` in saved agents, which keep their names when the code changes."""

from typing import Any

from torch import nn

STORED_NAMES = {  # part -> its name in saved agents
    "hidden": "deep",
    "category_weights": "tastes",
    "reward_head": "head",
    "repeat_head": "recall",
    "continuation_constant": "outlook",
    "continuation_head": "ahead",
    "after_response_head": "follow",
    "after_none_head": "idle",
    "items.continuation_bias": "items.ahead",
    "items.after_response_bias": "items.follow",
}


def keep_stored_names(towers: Any) -> None:
    """Make `state_dict` and `load_state_dict` of towers use the names of saved agents."""
    towers.register_state_dict_post_hook(_to_stored_names)
    towers.register_load_state_dict_pre_hook(_from_stored_names)


def _to_stored_names(_module: nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    _rename(state, prefix, STORED_NAMES)


def _from_stored_names(_module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    _rename(state, prefix, {stored: name for name, stored in STORED_NAMES.items()})


def _rename(state: dict[str, Any], prefix: str, names: dict[str, str]) -> None:
    """Rename parts of a state dict in place; its order stays."""
    for key in list(state):
        part, inner = key.removeprefix(prefix), ""
        for name in names:
            if part == name or part.startswith(name + "."):
                part, inner = names[name], part[len(name) :]
                break
        state[prefix + part + inner] = state.pop(key)
