"""The hazard of leaving: its equation, and the clock of a session. Scalar functions as in `session`.

A log of responses alone has no slate without one. In a world that is fitted to such a log (`page_items` > 0), the steps
of the session model are the responses: after a slate without one, intent and satiation are as before, and the session
ends with the hazard of `leave_idle`, which is that of `page_items` items.
"""

import math

from recgym.jit import njit
from recgym.sim.scalar_math import MAX_LOGIT, clip, log_stay_to_logit, minimum
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
    """Logit of leaving after a step; `clock` is the number of the step, see `leave_clock`.

    After a response it depends on the item, on the run that it belongs to, and on whether the item had a response
    before (`is_repeated`). After a slate without a response, of `unanswered` > 0 items, these terms are left out: they
    are estimated from steps with a response only, and an agent must not be able to keep users by merely showing an
    item. In a world of responses its hazard is 1 - (1 - h)^(unanswered / page_items), where h is that of a page.
    """
    logit = w.params[LEAVE_BIAS] + s.patience[b] + w.leave_context[s.context[b]]
    logit += w.leave_time[minimum(clock, w.leave_time.shape[0]) - 1]
    if unanswered > 0:
        logit += w.params[LEAVE_IDLE]
        if not per_response(w):
            return logit
        log_stay = -math.log1p(math.exp(clip(logit, MAX_LOGIT))) * unanswered / w.page_items[0]
        return log_stay_to_logit(log_stay)
    logit += w.leave_item[item] + w.leave_run[minimum(run, w.leave_run.shape[0]) - 1]
    if is_repeated:
        logit += w.params[LEAVE_REPEAT]
    return logit
