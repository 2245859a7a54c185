"""The hazard of leaving: its equation, and the clock of a session. Scalar functions as in `session`.

A log of responses alone has no slate without one. In a world that is fitted to such a log (`page_items` > 0), the steps
of the session model are the responses: after a slate without one, intent and satiation are as before, and the session
ends with the hazard of `leave_idle`, which is that of `page_items` items.
"""

from recgym.jit import njit
from recgym.sim.scalar_math import logit_in_part, minimum
from recgym.sim.schema import LEAVE_BIAS, LEAVE_IDLE, LEAVE_REPEAT, WorldArrays
from recgym.sim.state import Sessions


@njit()
def per_response(w: WorldArrays) -> bool:
    """Whether the steps of the session model are responses, as in a log that has no others; else they are slates."""
    return w.page_items[0] > 0


@njit()
def leave_clock(w: WorldArrays, s: Sessions, b: int, responded: bool) -> int:
    """Number of the step that follows the state, from 1, in `leave_time`."""
    if not per_response(w):
        return s.step[b] + 1
    return s.engaged[b] + 1 if responded or s.engaged[b] == 0 else s.engaged[b]


@njit()
def leave_logit(
    w: WorldArrays, s: Sessions, b: int, clock: int, item: int, run: int, is_repeated: bool, unanswered: int
) -> float:
    """Logit of leaving after a step, see `leave_terms`."""
    logit = leave_terms(w, s, b, clock, item, run, is_repeated, unanswered)
    return logit_in_part(logit, leave_share(w, unanswered))


@njit()
def leave_share(w: WorldArrays, unanswered: int) -> float:
    """Share of the time of `leave_terms` that a step takes: in a world of responses that of its items in a page."""
    return unanswered / w.page_items[0] if unanswered > 0 and per_response(w) else 1.0


@njit()
def leave_terms(
    w: WorldArrays, s: Sessions, b: int, clock: int, item: int, run: int, is_repeated: bool, unanswered: int
) -> float:
    """Logit h of leaving after a step, or after a page in its place; `clock` is the step's number, see `leave_clock`.

    After a response it depends on the item, on the run that it belongs to, and on whether the item had a response
    before (`is_repeated`). After a slate without a response, of `unanswered` > 0 items, these terms are left out: they
    are estimated from steps with a response only, and an agent must not be able to keep users by merely showing an
    item. In a world of responses its hazard is 1 - (1 - h)^share, where h is that of a page, see `leave_share`.
    """
    logit = w.params[LEAVE_BIAS] + s.patience[b] + w.leave_context[s.context[b]]
    logit += w.leave_time[minimum(clock, w.leave_time.shape[0]) - 1]
    if unanswered > 0:
        return logit + w.params[LEAVE_IDLE]
    logit += w.leave_item[item] + w.leave_run[minimum(run, w.leave_run.shape[0]) - 1]
    if is_repeated:
        logit += w.params[LEAVE_REPEAT]
    return logit
