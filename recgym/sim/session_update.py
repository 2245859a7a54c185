"""The record of a session after a slate: intent, satiation, memory, history, histograms. Functions as in `session`.

Axes: B sessions, K slate positions, d factors, C categories, H history, M memory.
"""

from recgym.jit import njit
from recgym.observation import HISTOGRAM_DECAY
from recgym.sim.friend_requests import apply_reply
from recgym.sim.leaving import per_response
from recgym.sim.scalar_math import minimum
from recgym.sim.schema import DECAY, ETA, FRIENDS, PULL, WorldArrays
from recgym.sim.session_arrays import decay_record, make_room
from recgym.sim.slate_facts import is_repeat, lead_position, num_distinct
from recgym.sim.state import MEMORY, Feedback, Sessions, Slates


@njit()
def _pull_to_profile(w: WorldArrays, s: Sessions, b: int) -> None:
    """Move the intent towards the user's profile."""
    if w.params[PULL] != 0.0:
        intent, profile = s.intent[b], w.profile[s.user[b]]
        for j in range(intent.shape[0]):
            intent[j] += w.params[PULL] * (float(profile[j]) - intent[j])


@njit()
def update_record(w: WorldArrays, s: Sessions, b: int, slate: Slates, f: Feedback) -> None:
    """Update intent, satiation, memory, history and histograms with the events of a slate."""
    slots = slate.shape[1]
    is_step = not per_response(w) or f.events[b, lead_position(slate, b, f)] & 1 == 1
    kept = w.params[DECAY] if is_step else 1.0
    decay_record(s, b, kept)
    place = make_room(s, b, num_distinct(slate, b))
    unit = (1.0 - HISTOGRAM_DECAY) / slots
    bits = 0
    for k in range(slots):
        if is_repeat(slate, b, k):
            continue
        item = slate[b, k]
        category = w.category[item]
        if place >= 0:  # of a slate longer than the history, the last items
            s.items[b, place] = item
            s.events[b, place] = f.events[b, k]
        place += 1
        bits |= f.events[b, k]
        if w.choice[0] == FRIENDS:
            apply_reply(w, s, b, item, f.events[b, k] & 1 == 1)
        s.shown[b, category] = minimum(s.shown[b, category] + unit, 1.0)
        if f.events[b, k] & 1:
            s.liked[b, category] = minimum(s.liked[b, category] + unit, 1.0)
            s.liked_category[b] = category
            s.satiation[b, category] += 1.0
            s.memory[b, s.engaged[b] % MEMORY] = item
            s.engaged[b] += 1
            intent, push = s.intent[b], w.push[item]
            for j in range(intent.shape[0]):
                intent[j] += w.params[ETA] * push[j]
    s.lead_events[b] = bits
    if is_step:
        _pull_to_profile(w, s, b)
