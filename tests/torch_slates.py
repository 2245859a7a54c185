"""Reference implementation of `recgym.sim.session` in batched torch: responses, events and leaving of logged slates.

Axes: B sessions, T steps, K slate positions, E events. A repeat inside a slate is an empty place, as there.
"""

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from recgym.fit.torch_session import Batch, SessionTerms, logged_affinity, seen_logged
from recgym.sim.scalar_math import MAX_LOGIT
from recgym.sim.session import clicks_are_long_views
from recgym.sim.world import World


class Slates(NamedTuple):
    """Logged sessions of T slates each, with the hidden variables of sessions."""

    user: Tensor  # (B,) int64
    context: Tensor  # (B,) int64
    item: Tensor  # (B, T, K) int64
    responded: Tensor  # (B, T, K) 1 where event 0 happened
    random_intercept: Tensor  # (B,)
    patience: Tensor  # (B,)


class HazardTerms(NamedTuple):
    """Terms of the logit of leaving, as tensors."""

    bias: Tensor  # ()
    repeat: Tensor  # ()
    no_response: Tensor  # ()
    time: Tensor  # (T,)
    run: Tensor  # (R,)
    item: Tensor  # (N,)
    context: Tensor  # (X,)


def hazard_from_world(world: World) -> HazardTerms:
    """The leaving terms of a world in float64."""
    values: list[object] = [world.params[name] for name in ("leave_bias", "leave_repeat", "leave_idle")]
    arrays = world.arrays
    values += [arrays.leave_time, arrays.leave_run, arrays.leave_item, arrays.leave_context]
    return HazardTerms(*(torch.as_tensor(value, dtype=torch.float64) for value in values))


class EventTerms(NamedTuple):
    """Terms of the logits of events, as tensors."""

    bias: Tensor  # (E,)
    gain: Tensor  # (E,)
    link: Tensor  # (E, 2)
    item: Tensor  # (N, E)
    user: Tensor  # (U, E)
    needs: Tensor  # (E,) int64
    short: Tensor  # (N,) bool: where a click is also the second event


def events_from_world(world: World) -> EventTerms:
    """The terms of events of a world in float64."""
    a = world.arrays
    bias, gain, link, item, user = (
        torch.as_tensor(value, dtype=torch.float64)
        for value in (a.event_bias, a.event_gain, a.event_link, a.event_item, a.event_user)
    )
    short = torch.as_tensor(clicks_are_long_views(a.duration) & (a.watch[0] == 1))
    return EventTerms(bias, gain, link, item, user, torch.as_tensor(a.event_needs, dtype=torch.int64), short)


def fresh(item: Tensor) -> Tensor:
    """(B, T, K) bool: positions that hold no item shown higher up in the slate."""
    above = torch.ones(item.shape[-1], item.shape[-1], dtype=torch.bool, device=item.device).tril(-1)
    return ~((item[..., :, None] == item[..., None, :]) & above).any(-1)


def as_rows(slates: Slates) -> Batch:
    """The slates' items one after the other; those of one slate share their step."""
    num, steps, slots = slates.item.shape
    there = fresh(slates.item).to(slates.responded.dtype)
    rows = torch.arange(steps * slots, device=slates.item.device)
    return Batch(
        slates.user,
        slates.context,
        slates.item.reshape(num, -1),
        (slates.responded * there).reshape(num, -1),
        there.reshape(num, -1),
        rows.expand(num, -1),
        rows // slots,
        slates.random_intercept,
    )


def slate_affinities(terms: SessionTerms, slates: Slates) -> Tensor:
    """(B, T, K), less the outside option's logit."""
    return logged_affinity(terms, as_rows(slates)).reshape(slates.item.shape)


def response_chances(x: Tensor, there: Tensor, examine: Tensor, *, one_choice: bool) -> Tensor:
    """(B, T, K) chance that event 0 happens at each position, examination averaged out.

    `x` are affinities, `there` the positions that are not empty, `examine` (K,) the chance that each is looked at.
    With one choice a slate all 2^K sets of examined positions are gone through.
    """
    if not one_choice:
        return there * examine * torch.sigmoid(x)
    weight, total = there * x.exp(), torch.zeros_like(x)
    for looked in product((0.0, 1.0), repeat=x.shape[-1]):
        seen = torch.tensor(looked, dtype=x.dtype, device=x.device)
        chance = torch.where(seen > 0, examine, 1 - examine).prod()
        total = total + chance * seen * weight / (1 + (seen * weight).sum(-1, keepdim=True))
    return total


def event_chances(terms: EventTerms, slates: Slates, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """(B, T, K, E) chance of each event of an examined item, given whether events 0 and 1 happened there.

    Entry 0 is whether it did; entry 1 is given event 0 alone.
    """
    user = slates.user[:, None, None]
    logit = terms.bias + terms.gain * x[..., None] + terms.item[slates.item] + terms.user[user]
    logit = logit + terms.link[:, 0] * first[..., None]
    after = torch.arange(len(terms.bias), device=x.device) > 1
    logit = logit + after * terms.link[:, 1] * second[..., None]
    barred = ((terms.needs == 0) & (first[..., None] == 0)) | ((terms.needs == 1) & (second[..., None] == 0))
    chance = torch.where(barred, 0.0, torch.sigmoid(logit.clamp(-MAX_LOGIT, MAX_LOGIT)))
    certain = (terms.short[slates.item] & (first > 0))[..., None] & (torch.arange(len(terms.bias)) == 1)
    chance = torch.where(certain, 1.0, chance)
    return torch.cat([first[..., None].to(chance.dtype), chance[..., 1:]], dim=-1)


def slate_leave_logits(hazard: HazardTerms, slates: Slates, category: Tensor) -> Tensor:
    """Logit of leaving after each slate, (B, T), with the frailty of the session.

    A slate's item is the first with a response, else the top one.
    """
    batch = as_rows(slates)
    steps = slates.item.shape[1]
    responded = batch.positive.reshape(slates.item.shape)
    lead = responded.argmax(-1)[..., None]  # the first of the largest: 0 without a response
    item = slates.item.gather(2, lead)[..., 0]
    repeat = seen_logged(batch).reshape(slates.item.shape).gather(2, lead)[..., 0]
    run = _runs(category[slates.item], category[item], responded).clamp(1, len(hazard.run))
    moved = hazard.run[run - 1] + hazard.item[item] + hazard.repeat * repeat
    clock = torch.arange(steps).clamp(max=len(hazard.time) - 1)
    logit = hazard.bias + hazard.time[clock] + (hazard.context[slates.context] + slates.patience)[:, None]
    return logit + torch.where(responded.any(-1), moved, hazard.no_response)


def _runs(category: Tensor, lead: Tensor, responded: Tensor) -> Tensor:
    """(B, T) slates in a row whose response began in the category where the one before ended."""
    num, steps, slots = category.shape
    run = torch.zeros(num, dtype=torch.int64)
    last, lengths = torch.full((num,), -1), []
    for t in range(steps):
        any_response = responded[:, t].any(-1)
        run = torch.where(any_response, torch.where(lead[:, t] == last, run + 1, 1), run)
        final = slots - 1 - responded[:, t].flip(-1).argmax(-1)
        last = torch.where(any_response, category[:, t].gather(1, final[:, None])[:, 0], last)
        lengths.append(run)
    return torch.stack(lengths, 1)
