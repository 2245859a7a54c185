"""Pictures of a session: text, or pixels drawn with matplotlib.

Axes: B sessions, K slate positions.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgym.arrays import Ints
from recgym.observation import HISTORY_LENGTH
from recgym.sim.engine import Engine
from recgym.sim.friend_requests import acceptance_logit
from recgym.sim.schema import FRIENDS
from recgym.sim.state import Feedback

LastStep = tuple[Ints, Feedback] | None  # slates (B, K) and the feedback to them; None before the first step
_BARS = " ▁▂▃▄▅▆▇█"


def _events(engine: Engine, bits: int) -> str:
    names = [event.name for e, event in enumerate(engine.world.events) if (bits >> e) & 1]
    return ", ".join(names) or "nothing"


def _most_wanted(engine: Engine, b: int) -> NDArray[np.int64]:
    """Three items that the hidden intent points at, best first; of candidate friends those of the highest logit."""
    arrays = engine.world.arrays
    if arrays.choice[0] == FRIENDS:
        logits = [acceptance_logit(arrays, engine.sessions, b, c) for c in range(engine.world.num_items)]
        return np.argsort(-np.array(logits))[:3]
    return np.argsort(-(arrays.factors @ engine.sessions.intent[b] + arrays.item_bias))[:3]


def describe(engine: Engine, b: int, last: LastStep, *, hidden: bool) -> str:
    """Session b as text: the user, a line for the history, and a line for each item of the last slate."""
    s, world = engine.sessions, engine.world
    context = world.contexts[s.context[b]]
    lines = [f"{world.name}  user {s.user[b]}  context {context}  step {s.step[b]} of {engine.horizon}"]
    history = "".join(
        "x" if bits & 1 else "." for item, bits in zip(s.items[b], s.events[b], strict=True) if item >= 0
    )
    lines.append(f"history {history or '(empty)'}  responses {s.engaged[b]}  run {s.run[b]}")
    if last is not None:
        slate, feedback = last
        for k, item in enumerate(slate[b]):
            watched = f", {feedback.watch[b, k] / 1000:.1f} s" if world.arrays.watch[0] else ""
            lines.append(
                f"  {k + 1}. {world.item_label(int(item))}: {_events(engine, int(feedback.events[b, k]))}{watched}"
            )
        lines.append(f"reward {feedback.reward[b]:.2f}" + ("  the user left" if feedback.left[b] else ""))
    if hidden:
        size = np.abs(s.intent[b])
        scale = size / max(float(size.max()), 1e-9) * (len(_BARS) - 1)
        bars = "".join(_BARS[int(value)] for value in scale)
        wanted = ", ".join(world.item_label(int(item)) for item in _most_wanted(engine, b))
        lines.append(f"hidden: intent |{bars}|  wants {wanted}")
    return "\n".join(lines)


def draw(engine: Engine, b: int, last: LastStep, *, hidden: bool) -> NDArray[np.uint8]:
    """Session b as pixels (400, 640, 3): the text, the responses of the history, the histograms of categories."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "render_mode='rgb_array' draws with matplotlib: pip install 'recgym[agents]'"
        ) from error
    s, world = engine.sessions, engine.world
    figure = Figure(figsize=(6.4, 4.0), dpi=100, facecolor="white")
    text = describe(engine, b, last, hidden=hidden)
    figure.text(0.03, 0.97, text, va="top", family="DejaVu Sans Mono", fontsize=8)
    axes: Any = figure.add_axes((0.08, 0.13, 0.38, 0.3))
    bits = s.events[b][s.items[b] >= 0]
    axes.bar(range(len(bits)), [1 if value & 1 else 0.15 for value in bits], color="#3465a4")
    axes.set(title="responses, oldest first", xlim=(-1, HISTORY_LENGTH), ylim=(0, 1.1), yticks=[])
    axes = figure.add_axes((0.56, 0.13, 0.4, 0.3))
    places = np.arange(len(world.categories))
    axes.bar(places - 0.2, s.shown[b], 0.4, label="shown", color="#babdb6")
    axes.bar(places + 0.2, s.liked[b], 0.4, label="with response", color="#4e9a06")
    axes.set(title="categories (decayed)", ylim=(0, 1))
    if len(places) <= 8:
        axes.set_xticks(places, world.categories, fontsize=7)
    axes.legend(fontsize=7, frameon=False)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
