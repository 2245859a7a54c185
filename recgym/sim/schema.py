"""Parameters and arrays of a world: one table for memory, files and checks.

Axes: U users, N items, d factors, C categories, M pages, L = M + 1, E events, X contexts, K slate positions, T steps
and R run lengths of the leaving tables and O steps of the response (their last entry serves all that is longer),
Q quantiles of watch time; P pairs of items that follow one another, J, where an item's
pairs begin, G, the items and no item yet; I, the items to which users return; of the graph: V,
where a user's friends begin, F friends, S items of a library, k dimensions of taste.
"""

from typing import Annotated, NamedTuple, get_type_hints

import numpy as np

from recgym.arrays import Array, Doubles, Floats, Indices

# choice models: one response a page of a shop, one for each item, friend requests (items are candidates), or one
# response at most to a slate of impressions, whose positions have weights
ONE_CHOICE, INDEPENDENT, FRIENDS, ONE_OF_SLATE = 0, 1, 2, 3
CHOICES = ("one", "independent", "friends", "one of slate")
# watch times, where a world has them: KuaiRand's rules hold, or they are shares of the duration alone
BY_RULES, BY_SHARES = 1, 2
WATCH_CLICK_MS, WATCH_LONG_MS = (
    7_000.0,
    18_000.0,
)  # KuaiRand's rules: at least min(duration, this) is a click, a long view

WATCH_EDGES_MS = (10_000.0, 14_000.0, 18_000.0, 25_000.0, 40_000.0, 60_000.0, 90_000.0, 150_000.0, 240_000.0)
"""Bounds of the groups of durations: a world has one table of watch times for all items, or one for each group."""


class Span(NamedTuple):
    """Interval [low, high], or [low, high) if `is_open`."""

    low: float = -np.inf
    high: float = np.inf
    is_open: bool = False

    def holds(self, values: Array) -> bool:
        """Whether all of these finite numbers are in it."""
        below = values < self.high if self.is_open else values <= self.high
        return bool(np.all((values >= self.low) & below))

    def __str__(self) -> str:
        if self.high == np.inf:
            return f"at least {self.low:g}"
        return f"in [{self.low:g}, {self.high:g}{')' if self.is_open else ']'}"


ANY, NON_NEGATIVE, SHARE = Span(), Span(0.0), Span(0.0, 1.0)


class Param(NamedTuple):
    """A parameter of the session model."""

    name: str
    default: float
    meaning: str
    span: Span = ANY


PARAMS = (
    Param(
        "sigma",
        0.0,
        "standard deviation of the first intent around the profile, in factor units",
        NON_NEGATIVE,
    ),
    Param(
        "patience",
        0.0,
        "standard deviation of the frailty, a session's shift of the leaving logit",
        NON_NEGATIVE,
    ),
    Param("eta", 1.0, "scale of the push vectors"),
    Param(
        "pull",
        0.0,
        "share of its distance to the profile that the intent loses at each step, in [0, 1]",
        SHARE,
    ),
    Param("kappa", 0.0, "slope of affinity on the satiation of the category"),
    Param("decay", 0.8, "share of satiation that a step leaves, in [0, 1)", Span(0.0, 1.0, is_open=True)),
    Param("rho", 0.0, "added to the affinity of an item with an earlier response in the session"),
    Param("theta", 0.0, "slope of affinity on standardised log price"),
    Param("outside", 0.0, "logit of the outside option"),
    Param("leave_bias", -2.0, "logit of leaving after the first slate, other terms 0"),
    Param(
        "leave_repeat", 0.0, "added to the leaving logit if the item had an earlier response in the session"
    ),
    Param(
        "leave_idle",
        0.0,
        "leaving logit of a slate without a response, in place of item, run and repeat",
    ),
    Param(
        "mood",
        0.0,
        "standard deviation of the random intercept, a session's shift of every affinity",
        NON_NEGATIVE,
    ),
    Param("omega", 0.0, "slope of affinity on log(1 + friends with the item in their library)"),
    Param("connect_bias", 0.0, "logit of accepting a suggested friend, other terms 0"),
    Param("connect_taste", 0.0, "... slope on similarity of taste, in [-1, 1]"),
    Param("connect_common", 0.0, "... slope on log(1 + friends in common)"),
    Param("connect_degree", 0.0, "... slope on log(1 + friends) of both together"),
    Param("connect_again", 0.0, "... for each earlier refusal in this session"),
)
(
    SIGMA,
    PATIENCE,
    ETA,
    PULL,
    KAPPA,
    DECAY,
    RHO,
    THETA,
    OUTSIDE,
    LEAVE_BIAS,
    LEAVE_REPEAT,
    LEAVE_IDLE,
    MOOD,
    OMEGA,
    CONNECT_BIAS,
    CONNECT_TASTE,
    CONNECT_COMMON,
    CONNECT_DEGREE,
    CONNECT_AGAIN,
) = range(len(PARAMS))
ARRAY_SPANS = {
    "examine": SHARE,
    "return_decay": SHARE,
    "exposure": SHARE,
    "logged_stay": SHARE,
    "logged_again": SHARE,
    "page_items": NON_NEGATIVE,
    "page_chain": SHARE,
    "whole_pages": SHARE,
    "tastes_keep_rates": SHARE,
    "one_page": SHARE,
    "price_ratio": NON_NEGATIVE,
    "duration": NON_NEGATIVE,
    "watch_quantiles": Span(-1.0),  # below 0: a share of the rule itself
}
PARAM_INDEX = {param.name: i for i, param in enumerate(PARAMS)}


class WorldArrays(NamedTuple):
    """Arrays that the kernels read. Each field: its axes, and the type in which it is stored."""

    params: Annotated[Doubles, "params", np.float64]  # in the order of PARAMS
    choice: Annotated[Indices, "1", np.int32]  # ONE_CHOICE, INDEPENDENT, FRIENDS or ONE_OF_SLATE
    watch: Annotated[Indices, "1", np.int32]  # 0: none; BY_RULES, BY_SHARES: drawn given events 0 and 1
    user_cdf: Annotated[Doubles, "U", np.float64]  # cumulative population weights, the last is 1
    profile: Annotated[Floats, "U d", np.float16]  # p_u, the long-term profile
    user_bias: Annotated[Floats, "U", np.float16]  # a_u
    factors: Annotated[Floats, "N d", np.float16]  # q_i
    push: Annotated[Floats, "N d", np.float16]  # m_i, added to the intent after a response to i
    item_bias: Annotated[Floats, "N", np.float16]  # b_i
    event_item: Annotated[Floats, "N E", np.float16]  # shift of an event's logit by item; column 0 is unused
    event_user: Annotated[Floats, "U E", np.float16]  # ... by user
    leave_item: Annotated[Floats, "N", np.float16]  # l_i
    category: Annotated[Indices, "N", np.int16]
    page: Annotated[Indices, "N", np.int16]
    price: Annotated[Floats, "N", np.float16]  # standardised log price, 0 where unknown
    price_ratio: Annotated[Floats, "N", np.float16]  # price over the mean; unknown: 1, 0 if all are
    duration: Annotated[Floats, "N", np.float32]  # ms; unknown: the median, 0 if all are
    exposure: Annotated[Doubles, "N", np.float64]  # share of the log's exposures, sums to 1
    logged_stay: Annotated[
        Doubles, "1", np.float64
    ]  # logging policy: probability of staying in the last category
    context_cdf: Annotated[Doubles, "X", np.float64]  # cumulative weights of a visit's context
    context_bias: Annotated[Floats, "X", np.float16]  # added to affinity
    leave_context: Annotated[Floats, "X", np.float16]
    examine: Annotated[
        Floats, "K", np.float32
    ]  # eps_k, probability that position k is examined, or its weight
    event_bias: Annotated[Floats, "E", np.float32]  # logit of the event at affinity 0; entry 0 is unused
    event_gain: Annotated[Floats, "E", np.float32]  # slope on affinity; entry 0 is unused (1)
    event_link: Annotated[
        Floats, "E 2", np.float32
    ]  # [e, f] added to the logit of e where f, event 0 or 1, happened
    event_needs: Annotated[Indices, "E", np.int32]  # event 0 or 1 that e requires, -1 for none
    watch_quantiles: Annotated[
        Floats, "W Q", np.float32
    ]  # rows skipped, click, long view for each group of durations: see `watch_time`
    leave_time: Annotated[Floats, "T", np.float32]  # added to the leaving logit after slate t = 1, 2, ...
    leave_run: Annotated[Floats, "R", np.float32]  # ... at run length 1, 2, ... in one category
    # the graph, drawn from a model of friend pairs; absent in worlds without one
    friend_start: Annotated[Indices, "V", np.int32]  # V is U + 1: start of a user's friends; V is 1: no graph
    friend: Annotated[Indices, "F", np.int32]  # both ways, ascending within a user
    library: Annotated[Indices, "U S", np.int32]  # simulated items that a user likes, ascending; padded by -1
    kin: Annotated[Floats, "U k", np.float16]  # vector of taste; similarity is the inner product
    # of a log of responses alone, see `recgym.sim.session.per_response`; 0: a step of the session model is a slate
    page_items: Annotated[Indices, "1", np.int32]  # items of a slate after which `leave_idle` is the hazard
    # logging policy: probability of a page after a response on the page of the row, in the last row at first; M pages
    # in the order of category and number. 1 x 1: pages follow `exposure` and `logged_stay`
    page_chain: Annotated[Doubles, "L M", np.float64]
    # 1: an item of a slate stands for all items of its page, see `recgym.sim.whole_pages`
    whole_pages: Annotated[Indices, "1", np.int32]
    # 1: all items are one page, whatever their categories, as where users choose among the whole catalogue
    one_page: Annotated[Indices, "1", np.int32]
    place_bias: Annotated[Floats, "O", np.float32]  # added to affinity at step 1, 2, ... of the session
    # transitions: added to the affinity of an item after a response to another, see `recgym.sim.transitions`
    next_start: Annotated[
        Indices, "J", np.int32
    ]  # J is N + 2: first pair of an item, then of no response yet; J is 1: no pairs
    next_item: Annotated[Indices, "P", np.int32]  # second items of the pairs, ascending for each first one
    next_logit: Annotated[Floats, "P", np.float16]
    next_level: Annotated[Floats, "G", np.float32]  # subtracted after a response to each item, and before any
    # returns to items of the visit, see `recgym.sim.returns`
    return_logit: Annotated[Floats, "I", np.float16]  # I is N: log of an item's weight; I is 1: no such term
    return_decay: Annotated[
        Floats, "1", np.float32
    ]  # weight of a response relative to that of the one after it
    # logging policy where units are items: weight of an item that the session was shown, relative to that of another
    logged_again: Annotated[Doubles, "1", np.float64]
    leave_level: Annotated[Floats, "1", np.float32]  # slope of the leaving logit on the user's `user_bias`
    tastes_keep_rates: Annotated[Indices, "1", np.int32]  # 1: draws of tastes move no rate, see `posterior`


OPTIONAL: dict[str, Array] = {
    "page_items": np.zeros(1, np.int32),
    "page_chain": np.ones((1, 1)),
    "whole_pages": np.zeros(1, np.int32),
    "one_page": np.zeros(1, np.int32),
    "place_bias": np.zeros(1, np.float32),
    "next_start": np.zeros(1, np.int32),
    "next_item": np.zeros(1, np.int32),
    "next_logit": np.zeros(1, np.float16),
    "next_level": np.zeros(1, np.float32),
    "return_logit": np.zeros(1, np.float16),
    "return_decay": np.ones(1, np.float32),
    "logged_again": np.zeros(1),
    "leave_level": np.zeros(1, np.float32),
    "tastes_keep_rates": np.zeros(1, np.int32),
}
"""Arrays that a world may lack, with what they are then; they are stored where they differ from it."""


class Layout(NamedTuple):
    """Axes of one field and its type in memory and on disk."""

    axes: tuple[str, ...]
    dtype: type[np.generic]
    stored: type[np.generic]


def _layout() -> dict[str, Layout]:
    memory: dict[type[np.generic], type[np.generic]] = {
        np.float16: np.float32,
        np.float32: np.float32,
        np.float64: np.float64,
        np.int16: np.int32,
        np.int32: np.int32,
    }
    table = {}
    for name, hint in get_type_hints(WorldArrays, include_extras=True).items():
        axes, stored = hint.__metadata__
        table[name] = Layout(tuple(axes.split()), memory[stored], stored)
    return table


LAYOUT = _layout()


def params(**values: float) -> Doubles:
    """The array `params` from numbers by name, the others with their defaults; ValueError for unknown names."""
    if unknown := sorted(set(values) - set(PARAM_INDEX)):
        raise ValueError(f"parameters {', '.join(unknown)} are unknown; there are {', '.join(PARAM_INDEX)}")
    return np.array([values.get(param.name, param.default) for param in PARAMS])
