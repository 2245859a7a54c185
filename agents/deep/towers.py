"""Q of deep collaborative filtering: a state tower over the session's history and an item tower over public features.

    Q(s, a) = shift + scale x(s, a) + spread y(s, a)                          in reward units
    x(s, a) = V(s) + <f(s), g(a)> + b_a + <r(s), h(s, a)>                     logit of the item's immediate reward
    y(s, a) = u(s) + <w(s), g(a)> + c_a + <r'(s), h(s, a)>                    standardised continuation value

g(a) is the item's vector (`agents.deep.item_tower`). h(s, a) has three binary repeat features: a was shown in the
history, a had a response in the history (repeat consumption: Anderson et al., 2014, WWW), and a is of the last item's
category. Where the task observes candidate features, h has them, too; a log has none, and they add nothing there. Two
further outputs are the continuation value after a response to a, which has the form of y,
F(s, a) = u''(s) + <w''(s), g(a)> + c''_a + <r''(s), h(s, a)>, and the continuation value after no response, F_0(s).

The state tower reads the user, the session's context, the code of the history (`agents.deep.encoders`; each item is its
vector g, the same vector times the response, and the event bits), and decayed shares of the categories shown and of
those with a response. The user's vector is an embedding and, where the task observes public user features, a linear
function of these, so that users of few sessions share what is learnt; what the responses of this session say of user
and level is added to it and to V (`agents.deep.session_posterior`). The shares also enter f linearly (a wide part
beside the deep one: Cheng et al., 2016, DLRS). All heads are linear in the one hidden layer. The split of Q into
immediate reward and continuation is after van Seijen et al. (2017, NIPS); Q stays one inner product
<scale f + spread w, g> and sparse terms.

Item index N is padding. With factors (`agents.deep.factor_posterior`), r of the numbers of g(a) are those of a matrix
factorisation, as are the session's in f(s), and a bias is added to b_a; hidden layer and heads read them, too. Then
items and users have no vectors and reward biases of their own beside the factorisation's, and the reward head starts at
0: before training the items are ranked as by the factorisation.

Axes: B sessions, H history, K items of a slate, N items, E events, C categories, d width of the towers, r factors.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.deep.encoders import ENCODERS, Recurrent, places_of
from agents.deep.factor_posterior import FactorPosterior
from agents.deep.item_tower import ItemTower, ItemVectors
from agents.deep.session_posterior import SessionPosterior
from agents.deep.states import States, lead_item
from agents.deep.stored_names import keep_stored_names
from agents.deep.tower_outputs import Bilinear, HistoryItems, QTerms, StateFeatures, StateHeads
from agents.deep.user_vectors import UserVectors
from agents.factors.session_factors import SessionFactors
from agents.features import candidate_names
from agents.problem import Problem
from agents.torch_utils import entries
from recgym.arrays import Ints
from recgym.observation import HISTOGRAM_DECAY, HISTORY_LENGTH

CATEGORY_SHARE_SCALE = 3.0  # multiplies the category shares, which are small beside the tower's other inputs
REPEAT_LR_SCALE = 10.0  # the output of the head of r(s) is multiplied by it, and so is its learning rate


class Towers(nn.Module):
    """State tower, item tower and the heads of Q; see the module's docstring.

    Only item embeddings and biases are as wide as the catalogue. The continuation heads start at zero.
    """

    scale: Tensor
    shift: Tensor
    spread: Tensor
    category: Tensor
    age_weight: Tensor  # (H,) weight of a past item in the category shares

    def __init__(self, problem: Problem, *, width: int, hidden: int, encoder: str, rank: int = 0) -> None:
        super().__init__()
        num_events = len(problem.event_names)
        self.num_items, self.num_categories, self.width = problem.num_items, problem.num_categories, width
        self.slots = problem.slate_size
        self.num_repeats = repeats = 3 + len(candidate_names(problem))
        self.items = ItemTower(problem, width, hidden, rank)
        self.users = UserVectors(problem, width)
        self.posterior, self.factors = SessionPosterior(problem), FactorPosterior(problem, rank)
        full = width + rank  # numbers of an item's vector
        category = np.append(
            np.asarray(problem.items["category"], np.int64), self.num_categories
        )  # padding: C
        self.register_buffer("category", torch.as_tensor(category), persistent=False)
        self.encoder = ENCODERS[encoder](2 * full + num_events, width)
        self.hidden = nn.Sequential(nn.Linear(width + full + 3 + 2 * self.num_categories, hidden), nn.ReLU())
        self.category_weights = nn.Linear(2 * self.num_categories, width, bias=False)
        self.reward_head, self.repeat_head = nn.Linear(hidden, full + 1), nn.Linear(hidden, repeats)
        self.continuation_constant = nn.Linear(hidden, 1)
        self.continuation_head = nn.Linear(hidden, full + repeats)
        self.after_response_head = nn.Linear(hidden, 1 + full + repeats)
        self.after_none_head = nn.Linear(hidden, 1)
        nn.init.zeros_(self.category_weights.weight)
        if rank:
            self.users.weight.requires_grad_(False)
            nn.init.zeros_(self.reward_head.weight)
            nn.init.zeros_(self.reward_head.bias)
        for head in (self.repeat_head, self.continuation_constant, self.continuation_head,
                     self.after_response_head, self.after_none_head):  # fmt: skip
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        age = torch.arange(HISTORY_LENGTH - 1, -1, -1) // problem.slate_size
        weight = CATEGORY_SHARE_SCALE * (1.0 - HISTOGRAM_DECAY) / problem.slate_size * HISTOGRAM_DECAY**age
        self.register_buffer("age_weight", weight, persistent=False)
        low, high = problem.item_reward_range
        # a logistic's slope at one half
        self.register_buffer("scale", torch.full((), max(high - low, 1e-3) / 4.0))
        self.register_buffer("shift", torch.zeros(()))
        self.register_buffer("spread", torch.full((), max(high - low, 1e-3)))
        keep_stored_names(self)

    def take_factors(self, factors: SessionFactors, users: Ints | None = None) -> None:
        """Use the present factors of a matrix factorisation of r factors, as `FactorPosterior.load`."""
        with torch.no_grad():
            self.items.factors[:], self.items.factor_bias[:] = self.factors.load(factors, users)

    def past(self, states: States, catalogue: ItemVectors | None = None) -> HistoryItems:
        """The items of the history; `catalogue` is the item tower's, if it is known."""
        vectors, bias = self.items.of(states.items.clamp(max=self.num_items - 1), catalogue)
        return HistoryItems(vectors, bias, states.items < self.num_items)

    def history(self, states: States, past: HistoryItems) -> tuple[Tensor, Tensor]:
        """Input of the encoder, (B, H, 2 d + E), and whether there is an item, (B, H)."""
        return _inputs(past.vectors * past.present[..., None], states.events), past.present

    def category_shares(self, states: States) -> Tensor:
        """Decayed shares of the categories shown, then of those with a response, times the scale, (B, 2 C)."""
        category = self.category[states.items]
        weight = self.age_weight.to(states.events.dtype).expand(category.shape)
        empty = weight.new_zeros((len(category), self.num_categories + 1))
        shown = empty.scatter_add(1, category, weight)
        responded = empty.scatter_add(1, category, weight * states.events[..., 0])
        return torch.cat([shown[:, :-1], responded[:, :-1]], dim=1)

    def state_heads(self, states: States, catalogue: ItemVectors | None = None) -> StateHeads:
        """The state tower; `catalogue` is the item tower's, if it is known."""
        past = self.past(states, catalogue)
        return self.heads(self.state_features(states, past, self.code(states, past, catalogue)))

    def code(self, states: States, past: HistoryItems, catalogue: ItemVectors | None = None) -> Tensor:
        """The code of the history, (B, d)."""
        if not isinstance(self.encoder, Recurrent) or past.vectors.device.type != "cpu":
            code: Tensor = self.encoder(*self.history(states, past))
            return code
        places = places_of(past.present)  # the others have no input
        events = states.events.flatten(0, 1).index_select(0, places.of_items)
        weight, _, bias, _ = self.encoder.weights
        if catalogue is None or 2 * self.num_items > len(events):
            vectors = past.vectors.flatten(0, 1).index_select(0, places.of_items)
            return self.encoder.last_states(functional.linear(_inputs(vectors, events), weight, bias), places)
        # the gates' part of an item's vector, without a response and with one
        vectors = catalogue[0]
        d = vectors.shape[1]
        apart = torch.cat([weight[:, :d], weight[:, :d] + weight[:, d : 2 * d]])  # (6 d, d)
        table = functional.linear(vectors, apart).view(2 * self.num_items, -1)
        row = 2 * states.items.flatten().index_select(0, places.of_items) + (events[:, 0] > 0)
        of_events = functional.linear(events, weight[:, 2 * d :], bias)
        return self.encoder.last_states(functional.embedding(row, table) + of_events, places)

    def state_features(self, states: States, past: HistoryItems, code: Tensor) -> StateFeatures:
        """The state tower up to its hidden layer, given the history's items and its code (B, d)."""
        user, shares = self.users(states.user), self.category_shares(states)
        own = past.vectors[..., : self.width]
        step = self.posterior(user, own, past.bias, states.events, past.present)
        user, factors = user + step[:, :-1], self.factors(states)
        hidden = self.hidden(torch.cat([code, user, factors, states.context, shares], dim=1))
        return StateFeatures(code, user, step[:, -1], factors, shares, hidden)

    def heads(self, features: StateFeatures) -> StateHeads:
        """The linear heads."""
        code, user, level, factors, shares, hidden = features
        width = self.width + factors.shape[1]
        reward, continuation = self.reward_head(hidden), self.continuation_head(hidden)
        after_response = self.after_response_head(hidden)
        f = torch.cat([user + code + self.category_weights(shares), factors], dim=1) + reward[:, :-1]
        return StateHeads(
            Bilinear(f, reward[:, -1] + level, REPEAT_LR_SCALE * self.repeat_head(hidden)),
            Bilinear(
                continuation[:, :width], self.continuation_constant(hidden)[:, 0], continuation[:, width:]
            ),
            Bilinear(after_response[:, 1 : width + 1], after_response[:, 0], after_response[:, width + 1 :]),
            self.after_none_head(hidden)[:, 0],
        )

    def repeat_terms(self, states: States, repeat: Tensor) -> tuple[Tensor, Tensor]:
        """Items of the history and <repeat, h> of the first two features, (B, H) each; 0 except at the last place."""
        items = states.items
        same = items[:, :, None] == items[:, None, :]
        is_last = ~same.triu(diagonal=1).any(dim=2) & (items < self.num_items)
        responded = (same * states.events[:, None, :, 0]).amax(dim=2)
        added = (repeat[:, :1] + repeat[:, 1:2] * responded) * is_last
        return items.clamp(max=self.num_items - 1), added

    def category_terms(self, states: States, repeat: Tensor) -> Tensor:
        """<repeat, h> of the third feature by category, (B, C): not 0 for the last item's alone."""
        last = functional.one_hot(self.category[lead_item(states, self.slots)[:, 0]], self.num_categories + 1)
        return repeat[:, 2:3] * last[:, :-1]

    def candidate_terms(self, states: States, repeat: Tensor) -> Tensor:
        """<repeat, h> of the candidate features of every item, (B, N); only where there are some."""
        return torch.einsum("bf,bfn->bn", repeat[:, 3:], states.candidates)

    def repeat_features(self, states: States, items: Tensor) -> Tensor:
        """Features h of some items of each session, (B, K, 3 + F) float."""
        here = states.items[:, None, :] == items[:, :, None]
        responded = (here & (states.events[:, None, :, 0] > 0)).any(dim=2)
        same = self.category[lead_item(states, self.slots)] == self.category[items]
        h = torch.stack([here.any(dim=2), responded, same], dim=2).to(states.context.dtype)
        if not states.candidates.shape[1]:
            return functional.pad(h, (0, self.num_repeats - 3))
        own = states.candidates.gather(2, items[:, None].expand(-1, states.candidates.shape[1], -1))
        return torch.cat([h, own.transpose(1, 2)], dim=2)

    def logits(self, states: States) -> tuple[Tensor, Tensor]:
        """Reward logits x of all items, (B, N), and u, (B,)."""
        vectors, bias = catalogue = self.items()
        heads = self.state_heads(states, catalogue)
        return self._of_all(states, heads.reward, vectors, bias), heads.continuation.constant

    def logit_of(self, states: States, items: Tensor) -> tuple[Tensor, Tensor]:
        """Reward logits x of some items of each session, (B, K), and u, (B,)."""
        catalogue = self.items.catalogue_for(states.items, items)
        vectors, bias = self.items.of(items, catalogue)
        heads = self.state_heads(states, catalogue)
        h = self.repeat_features(states, items).to(vectors.dtype)
        return _of_some(heads.reward, vectors, bias, h), heads.continuation.constant

    def q_coefficients(self, heads: StateHeads) -> Bilinear:
        """Coefficients of Q without the items' biases, in reward units."""
        reward, later = heads.reward, heads.continuation
        constant = self.shift + self.scale * reward.constant + self.spread * later.constant
        repeat = self.scale * reward.repeat + self.spread * later.repeat
        return Bilinear(self.scale * reward.state + self.spread * later.state, constant, repeat)

    def q_bias(self, bias: Tensor) -> Tensor:
        """Items' biases in Q, (N,), given those of their reward logits."""
        q_bias: Tensor = self.scale * bias + self.spread * self.items.continuation_bias
        return q_bias

    def values(self, states: States) -> Tensor:
        """Q of every item in reward units, (B, N)."""
        vectors, bias = catalogue = self.items()
        form = self.q_coefficients(self.state_heads(states, catalogue))
        return self._of_all(states, form, vectors, self.q_bias(bias))

    def terms_of(self, states: States, items: Tensor) -> QTerms:
        """Terms of Q of some items of each session (B, K)."""
        catalogue = self.items.catalogue_for(states.items, items)
        vectors, bias = self.items.of(items, catalogue)
        heads = self.state_heads(states, catalogue)
        h = self.repeat_features(states, items).to(vectors.dtype)
        biases = (
            bias,
            entries(self.items.continuation_bias, items),
            entries(self.items.after_response_bias, items),
        )
        forms = zip((heads.reward, heads.continuation, heads.after_response), biases, strict=True)
        x, y, after_response = (_of_some(form, vectors, each, h) for form, each in forms)
        return QTerms(x, y, after_response, heads.after_none)

    def values_of(self, states: States, items: Tensor) -> Tensor:
        """Q of some items of each session in reward units, (B, K)."""
        terms = self.terms_of(states, items)
        return self.shift + self.scale * terms.reward_logit + self.spread * terms.continuation

    def _of_all(self, states: States, form: Bilinear, vectors: Tensor, bias: Tensor) -> Tensor:
        """A bilinear form for every item, (B, N): one matrix product over the catalogue and sparse terms."""
        value: Tensor = form.constant[:, None] + form.state @ vectors.T + bias
        value = value + self.category_terms(states, form.repeat).index_select(1, self.category[:-1])
        if states.candidates.shape[1]:
            value = value + self.candidate_terms(states, form.repeat)
        return value.scatter_add(1, *self.repeat_terms(states, form.repeat))


def _inputs(vectors: Tensor, events: Tensor) -> Tensor:
    """Inputs of the encoder, (..., 2 d + E): the items' vectors, the same with a response, and the events."""
    return torch.cat([vectors, vectors * events[..., :1], events], dim=-1)


def _of_some(form: Bilinear, vectors: Tensor, bias: Tensor, repeat_features: Tensor) -> Tensor:
    """A bilinear form for some items of each session, (B, K)."""
    value = form.constant[:, None] + (form.state[:, None] * vectors).sum(dim=-1) + bias
    return value + (form.repeat[:, None] * repeat_features).sum(dim=-1)
