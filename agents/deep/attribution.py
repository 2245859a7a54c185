"""Why DCF-DQN shows an item: Q(s, a) taken apart into shares that sum to it.

The state tower ends in one rectified layer, and everything after it is linear: f, V, r and u are sums over what went
into that layer, and Q's last product <f, g> is a sum over the same things. So with the rectifiers held as they are in
this state, Q splits exactly into the user, each past item, the context, what the shown item brings itself, and
constants. A past item's share is what it wrote into the history's code and what later steps kept of it: for the
recurrent encoder its write times the update gates after it, for attention its weighted value, for convolutions what
reaches the last place from it (`agents.deep.encoders`, `shares`). It is no counterfactual: without that item the
gates and weights would have stood otherwise.

Axes: B sessions, H history, K slate positions, d width of the towers.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.deep.towers import States, Towers
from agents.explain import named
from agents.problem import Problem

CONTEXT = ("time of day: sine", "time of day: cosine", "step of the visit")
MEMORY = ("shown before in this visit", "answered before in this visit", "of the last item's category")


@torch.no_grad()
def shares_of(towers: Towers, problem: Problem, states: States, items: Tensor) -> list[dict[str, float]]:
    """Names to contributions for each session; they sum to the Q of its items (B, K), in reward units."""
    t = copy.deepcopy(towers).double()
    states = states._replace(events=states.events.double(), context=states.context.double())
    history, present = t.history(states)
    past = t.encoder.shares(history, present) * present[..., None]  # (B, H, d)
    trunk = t.trunk(states, t.encoder(history, present))
    code, user, _, deep = trunk
    layer, width = cast(nn.Linear, t.deep[0]), code.shape[1]
    vectors, bias = t.items.of(items)
    g, recall = vectors.sum(dim=1), t.valued(t.heads(trunk)).recall
    # what one unit of the rectified layer is worth to Q, (B, hidden), and what the code is worth directly, (B, d)
    slots = items.shape[1]
    worth = t.scale * (g @ t.head.weight[:-1] + slots * t.head.weight[-1])
    later = g @ t.ahead.weight[:-3] + slots * t.outlook.weight[0]
    worth = (worth + t.spread * later) * (deep > 0)
    into = functional.linear(worth, layer.weight.T)  # (B, 2 d + 3 + 2 C)
    direct = t.scale * g
    for_code, for_user = into[:, :width] + direct, into[:, width : 2 * width] + direct
    for_shares = into[:, 2 * width + 3 :] + direct @ t.tastes.weight
    from_past = (past * for_code[:, None]).sum(dim=-1) + _of_categories(t, states, for_shares)
    from_rest = ((code - past.sum(dim=1)) * for_code).sum(dim=1)
    constant = (
        slots * t.shift
        + worth @ layer.bias
        + t.scale * (g @ t.head.bias[:-1] + slots * t.head.bias[-1])
        + t.spread * (g @ t.ahead.bias[:-3] + slots * t.outlook.bias[0])
        + from_rest
    )
    columns = [
        constant[:, None],
        (user * for_user).sum(dim=1, keepdim=True),
        states.context * into[:, 2 * width : 2 * width + 3],
        from_past,
        t.scale * bias + t.spread * t.items.ahead[items],
        (recall[:, None] * t.memory(states, items)).flatten(1),
    ]
    values = torch.cat(columns, dim=1).cpu().numpy()
    return [named(_names(problem, states, items, b), values[b]) for b in range(len(values))]


def _of_categories(t: Towers, states: States, for_shares: Tensor) -> Tensor:
    """What each past item adds by its category's shares, (B, H), given what one unit of a share is worth (B, 2 C)."""
    shown, answered = (functional.pad(part, (0, 1)) for part in for_shares.chunk(2, dim=1))
    category = t.category[states.items]
    worth = shown.gather(1, category) + states.events[..., 0] * answered.gather(1, category)
    return t.age_weight * worth


def _names(problem: Problem, states: States, items: Tensor, b: int) -> list[str]:
    """Of the columns of session b."""
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
    return names + [f"item {item}: {what}" for item in shown for what in MEMORY]
