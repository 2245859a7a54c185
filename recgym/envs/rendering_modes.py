"""The single environment with the rendering modes of its constructor, and with lists of frames.

Gymnasium reads the modes from the `metadata` of an entry point: it then shows "human" in a window of another package
instead of refusing it, and a value that is no text is an AttributeError. A function has no metadata, so that every mode
is checked here.
"""

from typing import Any

from gymnasium.wrappers import RenderCollection

from recgym.checks import quoted
from recgym.envs.arguments import RENDER_MODES
from recgym.envs.environment import RecEnv

LIST = "_list"  # end of the name of a mode that collects the frames of an episode


def single_environment(render_mode: str | None = None, **arguments: Any) -> Any:
    """The environment; ValueError where the mode is none of RENDER_MODES, nor one with the end LIST."""
    lists = [mode + LIST for mode in RENDER_MODES]
    if isinstance(render_mode, str) and render_mode in lists:
        return RenderCollection(RecEnv(render_mode=render_mode.removesuffix(LIST), **arguments))
    if render_mode is not None and (not isinstance(render_mode, str) or render_mode not in RENDER_MODES):
        allowed = ", ".join(map(repr, (None, *RENDER_MODES, *lists)))
        raise ValueError(f"render_mode is {quoted(render_mode)}, allowed: {allowed}")
    return RecEnv(render_mode=render_mode, **arguments)
