"""The session model of `recgym.sim.session` in batched, differentiable torch, under teacher forcing.

Inputs are logged items and responses, outputs are affinities at every step. A test compares these equations with the
scalar ones of the simulator.

Axes: B sessions, T rows, N items, d factors, C categories. A row is a shown item; by default each is one step.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from recgym.fit.pair_terms import Transitions
from recgym.sim.scalar_math import MAX_LOGIT
from recgym.sim.state import MEMORY


class ReturnTerms(NamedTuple):
    """Returns to items of the visit, see `recgym.sim.returns`."""

    logit: Tensor  # (N,)
    decay: Tensor  # ()


class SessionTerms(NamedTuple):
    """Terms of affinity as tensors, as `SessionModel.terms` gives them."""

    profile: Tensor  # (U, d)
    user_bias: Tensor  # (U,)
    factors: Tensor  # (N, d)
    push: Tensor  # (N, d) times eta
    item_bias: Tensor  # (N,) with theta * price
    context_bias: Tensor  # (X,)
    place_bias: Tensor  # (O,)
    category: Tensor  # (N,) int64
    num_categories: int
    pull: Tensor  # ()
    kappa: Tensor  # ()
    decay: Tensor  # ()
    rho: Tensor  # ()
    outside: Tensor  # ()
    transitions: Transitions | None = None  # None: no such term
    returns: ReturnTerms | None = None


class Batch(NamedTuple):
    """Padded logged sessions: `mask` is 1 where there is a row."""

    user: Tensor  # (B,) int64
    context: Tensor  # (B,) int64
    item: Tensor  # (B, T) int64
    positive: Tensor  # (B, T) 1 where the item had a response
    mask: Tensor  # (B, T)
    row: Tensor  # (B, T) int64 row of the dataset, 0 in the padding
    step: Tensor | None = None  # (T,) or (B, T) int64 step of each row; None: one row a step
    random_intercept: Tensor | None = None  # (B,) added to every affinity; None: 0
    place: Tensor | None = None  # (B, T) int64 step of each row in `place_bias`; None: `step`


def clock(batch: Batch) -> Tensor:
    """(T,) or (B, T) step of each row."""
    return torch.arange(batch.item.shape[1], device=batch.item.device) if batch.step is None else batch.step


def lags(batch: Batch) -> Tensor:
    """(T, T) or (B, T, T) step of row t less that of row s."""
    return clock(batch)[..., :, None] - clock(batch)[..., None, :]


def of_place(terms: SessionTerms, batch: Batch) -> Tensor:
    """(B, T) or (1, T) term of the step in every affinity."""
    place = clock(batch) if batch.place is None else batch.place  # (T,) or (B, T)
    place = place if place.ndim == 2 else place[None]
    return terms.place_bias[place.clamp(max=len(terms.place_bias) - 1)]


def intents(terms: SessionTerms, batch: Batch) -> Tensor:
    """(B, T, d) intent z before each step: z = p_u; after a response to i, z <- p_u + (1 - pull) (z + m_i - p_u).

    So z - p_u is a sum over past responses with geometric weights.
    """
    lag = lags(batch)
    keep = (1.0 - terms.pull).clamp(min=1e-12)
    weights = torch.where(lag > 0, keep ** lag.clamp(min=0), 0.0)
    return terms.profile[batch.user][:, None] + weights @ (terms.push[batch.item] * batch.positive[..., None])


def satiation(terms: SessionTerms, batch: Batch) -> Tensor:
    """(B, T, C) satiation of each category before each step."""
    lag = lags(batch)
    weights = torch.where(lag > 0, terms.decay.clamp(min=1e-12) ** (lag - 1).clamp(min=0), 0.0)
    hot = torch.nn.functional.one_hot(terms.category[batch.item], terms.num_categories).to(weights.dtype)
    return weights @ (hot * batch.positive[..., None])


def remembered(batch: Batch) -> Tensor:
    """(B, T, T) whether the response of row s is among the last MEMORY responses before row t."""
    past = lags(batch) > 0
    before = (past.to(batch.positive.dtype) @ batch.positive[..., None])[..., 0]  # responses before the step
    recent = before[:, :, None] - batch.positive.cumsum(1)[:, None, :] < MEMORY
    return past & recent & (batch.positive > 0)[:, None, :]


def last_response(batch: Batch) -> Tensor:
    """(B, T) item of the last response before each row; -1 where there is none."""
    before = (lags(batch) > 0) & (batch.positive > 0)[:, None, :]
    number = torch.arange(1, batch.item.shape[1] + 1, device=batch.item.device)
    last = (before * number).amax(2)
    return torch.where(last > 0, batch.item.gather(1, (last - 1).clamp(min=0)), -1)


def shift(terms: SessionTerms, batch: Batch) -> Tensor:
    """(B,) term of the session in every affinity."""
    value = terms.user_bias[batch.user] + terms.context_bias[batch.context] - terms.outside
    return value if batch.random_intercept is None else value + batch.random_intercept


def seen_among(batch: Batch, items: Tensor) -> Tensor:
    """(B, T, M) 1 where the item had an earlier response in the session."""
    valid = remembered(batch).float()
    return ((valid @ (batch.item[:, :, None] == items).float()) > 0).float()


def seen_logged(batch: Batch) -> Tensor:
    """(B, T) 1 where the row's item had an earlier response in the session."""
    return (remembered(batch) & (batch.item[:, :, None] == batch.item[:, None, :])).any(2).float()


def earlier_weights(returns: ReturnTerms, batch: Batch) -> Tensor:
    """(B, T, T) weight of a return at row t to the item of row s; 0 where it had no response before."""
    count = batch.positive.cumsum(1)
    age = (count - batch.positive)[:, :, None] - count[
        :, None, :
    ]  # the responses since, of rows of one step none
    valid = remembered(batch).to(returns.logit.dtype)
    weights = valid * returns.decay ** age.clamp(min=0.0)
    share = weights / weights.sum(2, keepdim=True).clamp(min=1e-30)
    return share * returns.logit[batch.item].exp()[:, None, :]


def with_returns(x: Tensor, weight: Tensor, common: Tensor | float = 0.0) -> Tensor:
    """Affinities x with weights of returns, (B, T, ...); `common` is the part of x that all items have in common."""
    return torch.logaddexp(x - common, weight.log()) + common


def returns_among(returns: ReturnTerms, batch: Batch, items: Tensor) -> Tensor:
    """(B, T, M) weight of a return to each item."""
    weights = earlier_weights(returns, batch)
    return weights @ (batch.item[:, :, None] == items).to(weights.dtype)


def returns_logged(returns: ReturnTerms, batch: Batch) -> Tensor:
    """(B, T) weight of a return to the row's item."""
    return (earlier_weights(returns, batch) * (batch.item[:, :, None] == batch.item[:, None, :])).sum(2)


def affinities(terms: SessionTerms, batch: Batch, items: Tensor | None = None) -> Tensor:
    """(B, T, M) affinity of the M items, or of the whole catalogue, at each row, less the outside option's."""
    if items is None:
        items = torch.arange(len(terms.item_bias), device=terms.item_bias.device)
    x = intents(terms, batch) @ terms.factors[items].T + terms.item_bias[items]
    common = shift(terms, batch)[:, None, None] + of_place(terms, batch)[..., None]
    x = x + common
    x = x + terms.kappa * satiation(terms, batch)[..., terms.category[items]]
    x = x + terms.rho * seen_among(batch, items).to(x.dtype)
    if terms.transitions is not None:
        x = x + terms.transitions.after(last_response(batch).flatten(), items).view(*batch.item.shape, -1)
    if terms.returns is not None:
        x = with_returns(x, returns_among(terms.returns, batch, items), common)
    return x.clamp(-MAX_LOGIT, MAX_LOGIT)


def logged_affinity(terms: SessionTerms, batch: Batch, *, leave_one_out: bool = False) -> Tensor:
    """(B, T) affinity of the row's item; as `affinities`; `leave_one_out`: by transitions other than its own."""
    x = (intents(terms, batch) * terms.factors[batch.item]).sum(-1) + terms.item_bias[batch.item]
    common = shift(terms, batch)[:, None] + of_place(terms, batch)
    x = x + common
    own = terms.category[batch.item][..., None]
    x = x + terms.kappa * satiation(terms, batch).gather(2, own)[..., 0]
    x = x + terms.rho * seen_logged(batch).to(x.dtype)
    if terms.transitions is not None:
        last = last_response(batch).flatten()
        own = terms.transitions.between(last, batch.item.flatten(), leave_one_out=leave_one_out)
        x = x + own.view(batch.item.shape)
    if terms.returns is not None:
        x = with_returns(x, returns_logged(terms.returns, batch), common)
    return x.clamp(-MAX_LOGIT, MAX_LOGIT)
