"""The session model of `recgym.sim.session`, batched in torch and differentiable: teacher forcing.

Logged items and answers are fed in; out come affinities and leaving logits at every step. A test holds these
equations to the scalar ones.

Axes: B sessions, T rows, N items, d factors, C categories. A row is a shown item; as a rule it is a step by itself,
`slates.py` has steps of several.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from recgym.sim.scalar_math import MAX_LOGIT
from recgym.sim.state import MEMORY
from recgym.sim.world import World


class SessionTerms(NamedTuple):
    """What an affinity is made of, as tensors; `from_world` or a model's `terms()` makes one."""

    profile: Tensor  # (U, d)
    user_bias: Tensor  # (U,)
    factors: Tensor  # (N, d)
    push: Tensor  # (N, d), eta is in it
    item_bias: Tensor  # (N,) with theta * price in it
    context_bias: Tensor  # (X,)
    category: Tensor  # (N,) int64
    num_categories: int
    pull: Tensor  # ()
    kappa: Tensor  # ()
    decay: Tensor  # ()
    rho: Tensor  # ()
    outside: Tensor  # ()


class HazardTerms(NamedTuple):
    """What a leaving logit is made of, as tensors."""

    bias: Tensor  # ()
    repeat: Tensor  # ()
    idle: Tensor  # ()
    time: Tensor  # (T,)
    run: Tensor  # (R,)
    item: Tensor  # (N,)
    context: Tensor  # (X,)


class Batch(NamedTuple):
    """Logged sessions, padded: `mask` is 1 where there is a step."""

    user: Tensor  # (B,) int64
    context: Tensor  # (B,) int64
    item: Tensor  # (B, T) int64
    positive: Tensor  # (B, T) 1 where the step's item was answered positively
    mask: Tensor  # (B, T)
    row: Tensor  # (B, T) int64, row of the frame, 0 in the padding
    step: Tensor | None = None  # (T,) int64 step of each row; a step by itself where there is none
    mood: Tensor | None = None  # (B,) the visit's own shift of every affinity, 0 where there is none


def terms_from_world(world: World) -> SessionTerms:
    """A world's terms in float64."""
    arrays, params = world.arrays, world.params

    def tensor(value: object) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float64)

    return SessionTerms(
        tensor(arrays.profile),
        tensor(arrays.user_bias),
        tensor(arrays.factors),
        tensor(arrays.push) * params["eta"],
        tensor(arrays.item_bias) + params["theta"] * tensor(arrays.price),
        tensor(arrays.context_bias),
        torch.as_tensor(arrays.category, dtype=torch.int64),
        len(world.categories),
        *(tensor(params[name]) for name in ("pull", "kappa", "decay", "rho", "outside")),
    )


def hazard_from_world(world: World) -> HazardTerms:
    """A world's leaving terms in float64."""
    values: list[object] = [world.params[name] for name in ("leave_bias", "leave_repeat", "leave_idle")]
    arrays = world.arrays
    values += [arrays.leave_time, arrays.leave_run, arrays.leave_item, arrays.leave_context]
    return HazardTerms(*(torch.as_tensor(value, dtype=torch.float64) for value in values))


def lags(batch: Batch) -> Tensor:
    """(T, T): how many steps column s lies before row t."""
    clock = torch.arange(batch.item.shape[1], device=batch.item.device) if batch.step is None else batch.step
    return clock[:, None] - clock[None, :]


def intents(terms: SessionTerms, batch: Batch) -> Tensor:
    """Intent before each step, (B, T, d): z0 = p_u; z <- z + m_i for an answered i, then pulled back.

    The distance w = z - p_u follows w <- (1 - pull) (w + m_i), so it is a sum over the past with fading weights.
    """
    lag = lags(batch)
    keep = (1.0 - terms.pull).clamp(min=1e-12)
    weights = torch.where(lag > 0, keep ** lag.clamp(min=0), 0.0)
    return terms.profile[batch.user][:, None] + weights @ (terms.push[batch.item] * batch.positive[..., None])


def satiation(terms: SessionTerms, batch: Batch) -> Tensor:
    """Satiation of every category before each step, (B, T, C)."""
    lag = lags(batch)
    weights = torch.where(lag > 0, terms.decay.clamp(min=1e-12) ** (lag - 1).clamp(min=0), 0.0)
    hot = torch.nn.functional.one_hot(terms.category[batch.item], terms.num_categories).to(weights.dtype)
    return weights @ (hot * batch.positive[..., None])


def remembered(batch: Batch) -> Tensor:
    """(B, T, T): whether the answer of step s is among the last MEMORY ones that the user remembers at step t."""
    past = lags(batch) > 0
    before = batch.positive @ past.T.to(batch.positive.dtype)  # answers before the step
    recent = before[:, :, None] - batch.positive.cumsum(1)[:, None, :] < MEMORY
    return past & recent & (batch.positive > 0)[:, None, :]


def shift(terms: SessionTerms, batch: Batch) -> Tensor:
    """(B,) what a visit adds to every affinity."""
    value = terms.user_bias[batch.user] + terms.context_bias[batch.context] - terms.outside
    return value if batch.mood is None else value + batch.mood


def seen_among(batch: Batch, items: Tensor) -> Tensor:
    """(B, T, M) 1 where the item was answered positively before."""
    valid = remembered(batch).float()
    return ((valid @ (batch.item[:, :, None] == items).float()) > 0).float()


def seen_logged(batch: Batch) -> Tensor:
    """(B, T) 1 where the step's own item was answered positively before."""
    return (remembered(batch) & (batch.item[:, :, None] == batch.item[:, None, :])).any(2).float()


def affinities(terms: SessionTerms, batch: Batch, items: Tensor | None = None) -> Tensor:
    """Affinity of the M items, or of the whole catalogue, at every step, less the outside option's, (B, T, M)."""
    if items is None:
        items = torch.arange(len(terms.item_bias), device=terms.item_bias.device)
    x = intents(terms, batch) @ terms.factors[items].T + terms.item_bias[items]
    x = x + shift(terms, batch)[:, None, None]
    x = x + terms.kappa * satiation(terms, batch)[..., terms.category[items]]
    x = x + terms.rho * seen_among(batch, items).to(x.dtype)
    return x.clamp(-MAX_LOGIT, MAX_LOGIT)


def logged_affinity(terms: SessionTerms, batch: Batch) -> Tensor:
    """Affinity of the step's own item, (B, T): as `affinities`, without the rest of the catalogue."""
    x = (intents(terms, batch) * terms.factors[batch.item]).sum(-1) + terms.item_bias[batch.item]
    x = x + shift(terms, batch)[:, None]
    own = terms.category[batch.item][..., None]
    x = x + terms.kappa * satiation(terms, batch).gather(2, own)[..., 0]
    x = x + terms.rho * seen_logged(batch).to(x.dtype)
    return x.clamp(-MAX_LOGIT, MAX_LOGIT)


def run_lengths(category: Tensor, positive: Tensor) -> Tensor:
    """(B, T): positive answers in a row of one category up to each step; one without an answer changes nothing."""
    run, last, lengths = torch.zeros_like(category[:, 0]), torch.full_like(category[:, 0], -1), []
    for own, answered in zip(category.T, positive.T > 0, strict=True):
        run = torch.where(answered, torch.where(own == last, run + 1, 1), run)
        last = torch.where(answered, own, last)
        lengths.append(run)
    return torch.stack(lengths, 1)


def leave_logits(hazard: HazardTerms, batch: Batch, category: Tensor) -> Tensor:
    """Logit of leaving after each step, (B, T), for a visit of average patience."""
    steps = torch.arange(batch.item.shape[1], device=batch.item.device).clamp(max=len(hazard.time) - 1)
    run = run_lengths(category[batch.item], batch.positive).clamp(1, len(hazard.run))
    moved = hazard.run[run - 1] + hazard.item[batch.item]
    moved = moved + hazard.repeat * seen_logged(batch).to(moved.dtype)
    logit = hazard.bias + hazard.time[steps] + hazard.context[batch.context][:, None]
    return logit + torch.where(batch.positive > 0, moved, hazard.idle)
