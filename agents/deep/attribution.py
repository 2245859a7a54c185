"""Explanations of DCF-DQN: Q(s, a) as a sum of contributions.

The state tower has one rectified hidden layer and is linear otherwise. With the rectifiers fixed at their values in
this state, Q is a sum of contributions of the user, each past item, the context, the shown item itself and constants.
The contribution of a past item is its part of the history's code (`shares` of `agents.deep.encoders`: for the
recurrent encoder its input times the later update gates, for attention its weighted value, for convolutions its part
of the last output), its part of the category shares, and what its response says of the user
(`agents.deep.session_posterior` and `agents.deep.factor_posterior`, precisions fixed). It is not a counterfactual:
without the item, gates and attention weights would differ.

Axes: B sessions, H history, K slate positions, C categories, d width of the towers, r factors.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.deep.states import States
from agents.deep.towers import Towers
from agents.explain import named
from agents.features import candidate_names
from agents.problem import Problem

CONTEXT = ("time of day: sine", "time of day: cosine", "step of the visit")
REPEAT = ("shown before in this visit", "response before in this visit", "of the last item's category")


@torch.no_grad()
def shares_of(towers: Towers, problem: Problem, states: States, items: Tensor) -> list[dict[str, float]]:
    """Contributions by name for each session; they sum to the Q of its items (B, K), in reward units."""
    t = copy.deepcopy(towers).double()
    states = States(
        states.user,
        states.items,
        *(each.double() for each in (states.events, states.context, states.candidates)),
    )
    shown = t.past(states)
    history, present = t.history(states, shown)
    past = t.encoder.shares(history, present) * present[..., None]  # (B, H, d)
    features = t.state_features(states, shown, t.encoder(history, present))
    code, hidden, user = features.code, features.hidden, t.users(states.user)
    layer, width, full = cast(nn.Linear, t.hidden[0]), t.width, shown.vectors.shape[2]
    own = shown.vectors[..., :width]
    evidence = t.posterior.shares(user, own, shown.bias, states.events, present)  # (B, H, d + 1)
    vectors, bias = t.items.of(items)
    g, repeat = vectors.sum(dim=1), t.q_coefficients(t.heads(features)).repeat
    # derivative of Q by the hidden layer, (B, hidden), by its inputs, and directly by f, (B, d + r)
    slots, later = items.shape[1], t.continuation_head
    by_hidden = t.scale * (g @ t.reward_head.weight[:-1] + slots * t.reward_head.weight[-1])
    by_continuation = g @ later.weight[:full] + slots * t.continuation_constant.weight[0]
    by_hidden = (by_hidden + t.spread * by_continuation) * (hidden > 0)
    sizes = [width, width, full - width, states.context.shape[1], 2 * t.num_categories]
    by_input = torch.split(functional.linear(by_hidden, layer.weight.T), sizes, dim=1)
    by_f, by_factors = torch.split(t.scale * g, [width, full - width], dim=1)
    by_code, by_user, by_factors = by_input[0] + by_f, by_input[1] + by_f, by_input[2] + by_factors
    by_shares = by_input[4] + by_f @ t.category_weights.weight
    from_past = (past * by_code[:, None]).sum(dim=-1) + _from_categories(t, states, by_shares)
    from_past = from_past + (evidence[..., :-1] * by_user[:, None]).sum(dim=-1)
    from_past = from_past + slots * t.scale * evidence[..., -1]
    from_factors = (t.factors.shares(states) * by_factors[:, None]).sum(dim=-1)  # (B, 1 + H)
    from_past = from_past + from_factors[:, 1:]
    from_encoder_bias = ((code - past.sum(dim=1)) * by_code).sum(dim=1)
    constant = (
        slots * t.shift
        + by_hidden @ layer.bias
        + t.scale * (g @ t.reward_head.bias[:-1] + slots * t.reward_head.bias[-1])
        + t.spread * (g @ later.bias[:full] + slots * t.continuation_constant.bias[0])
        + from_encoder_bias
    )
    columns = [
        constant[:, None],
        (user * by_user).sum(dim=1, keepdim=True) + from_factors[:, :1],
        states.context * by_input[3],
        from_past,
        t.scale * bias + t.spread * t.items.continuation_bias[items],
        (repeat[:, None] * t.repeat_features(states, items)).flatten(1),
    ]
    values = torch.cat(columns, dim=1).cpu().numpy()
    return [named(_names(problem, states, items, b), values[b]) for b in range(len(values))]


def _from_categories(t: Towers, states: States, by_shares: Tensor) -> Tensor:
    """Contribution of each past item by its category's shares, (B, H), given Q's derivative by them (B, 2 C)."""
    by_shown, by_response = (functional.pad(part, (0, 1)) for part in by_shares.chunk(2, dim=1))
    category = t.category[states.items]
    derivative = by_shown.gather(1, category) + states.events[..., 0] * by_response.gather(1, category)
    return t.age_weight * derivative


def _names(problem: Problem, states: States, items: Tensor, b: int) -> list[str]:
    """Names of the columns of session b."""
    category, past = problem.items["category"], states.items[b].tolist()
    names = ["always", f"user {int(states.user[b])}", *CONTEXT]
    for h, item in enumerate(past):
        if item >= problem.num_items:
            names.append("nothing")
            continue
        happened = [name for e, name in enumerate(problem.event_names) if states.events[b, h, e] > 0]
        what = ", ".join([f"category {int(category[item])}", *happened])
        names.append(f"{len(past) - h} back: item {item} ({what})")
    shown = items[b].tolist()
    names += [f"item {item}: itself" for item in shown]
    repeat = REPEAT + candidate_names(problem)
    return names + [f"item {item}: {what}" for item in shown for what in repeat]
