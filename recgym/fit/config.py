"""How a fit is run, and the values assumed where a log does not identify a term: the tables ASSUMED and SHARED."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from recgym.checks import MAX_COUNT, MAX_NUMBER, finite_number, iso_day, quoted, whole_number

STARTS = ("counts", "zero")


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of a fit. Model selection uses the validation period, never the test period."""

    dim: int = 16  # d, factors
    hidden: int = 64  # width of the towers' hidden layer
    dropout: float = 0.0  # in the towers
    epochs: int | None = None  # of a one-cycle schedule; None: early stopping at a constant learning rate
    steps: int = 6_000  # of gradient descent, at most, under early stopping
    patience: int = 6  # [rounds] without a lower validation loss, after which training stops
    learning_rate: float = 3e-3  # peak of the schedule
    weight_decay: float = 1e-3  # of AdamW
    batch_rows: int | None = None  # rows of a batch; None: by the size of the log
    leave_idle: float | None = (
        None  # content: its assumed value, at least 0; None: that of the table of assumed values
    )
    assume_rho: bool = False  # take `rho` from the table of assumed values, even where the log identifies it
    start: str = "counts"  # initial item biases: by the "counts" of the log, or "zero"
    # [standard errors] by which a trained part must improve the validation loss over its baseline, to be kept;
    # else it is shrunk or left out. None: it is always kept
    guard: float | None = 2.0
    item_ridge: float = 0.3  # penalty on squared id embeddings of items: factors and push
    user_ridge: float = 3.0  # penalty on squared id embeddings of users: profile
    bias_ridge: float = 3.0  # penalty on squared id embeddings: biases of items and users
    item_scale: float = 0.1  # initial standard deviation of the id embeddings of items
    drift: bool = True  # a response moves the intent
    navigation: float = 0.3  # loss weight of the choice of a page, relative to that of an item on it
    # days at which validation and test begin; None: 80/10/10 % by time
    split: tuple[str, str] | None = None
    # [first, end) training days, in place of `split`: their last tenth is validation, later days are test
    period: tuple[str | None, str | None] | None = None
    resample: int | None = (
        None  # random seed of a bootstrap over the sessions before the test; None: no bootstrap
    )
    # impressions: lengths of visits, repeats of items, what visits use up and streaks are fitted; tastes keep the rates
    dynamics: bool = True
    # weight rows with and without a response by clipped, self-normalised inverse propensity; see `inverse_propensity`
    propensity_weights: bool = False
    max_categories: int = 32  # the most frequent are kept, the others become "other"
    min_listeners: int = 5  # social: an item with fewer users is left out
    seen_weight: float = 0.3  # social: loss weight of input items; dropped-out items have weight 1
    popular_rates: bool = True  # social: responses to shown items have the popularity of the fitted model
    item_rates: bool = (
        True  # shop: items differ in the assumed rates of carts and purchases, by drawn effects
    )
    bootstrap: int = 200  # resamples of an interval on the card

    def __post_init__(self) -> None:
        for name, (low, optional) in _WHOLE.items():
            if getattr(self, name) is not None or not optional:
                whole_number(getattr(self, name), name, low, MAX_COUNT)
        if self.leave_idle is not None:
            finite_number(self.leave_idle, "leave_idle", 0.0)
        for name in _REAL:
            finite_number(getattr(self, name), name, 0.0, 1.0 if name == "dropout" else MAX_NUMBER)
        if self.guard is not None:
            finite_number(self.guard, "guard", 0.0)
        for name in ("assume_rho", "drift", "popular_rates", "item_rates", "dynamics", "propensity_weights"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {quoted(getattr(self, name))}, expected True or False")
        if not isinstance(self.start, str) or self.start not in STARTS:
            raise ValueError(f"start is {quoted(self.start)}, it must be {' or '.join(STARTS)}")
        self._check_days()

    def _check_days(self) -> None:
        """Brings days into the form 2022-04-29; ValueError that names the split or the period."""
        if self.split is not None:
            first, end = _days("split", self.split)
            object.__setattr__(self, "split", (first, end))
            if first is None or end is None or not first < end:
                days = quoted(self.split)
                raise ValueError(f"split is {days}: the test period must begin after the validation period")
        if self.period is not None:
            first, end = _days("period", self.period)
            object.__setattr__(self, "period", (first, end))
            if first is not None and end is not None and not first < end:
                raise ValueError(f"period is {first}:{end}: it must end after its first day")


# fields that are whole numbers: the lowest value, and whether None is allowed
_WHOLE = {
    "dim": (1, False),
    "hidden": (1, False),
    "epochs": (1, True),
    "steps": (1, False),
    "patience": (1, False),
    "batch_rows": (16, True),
    "resample": (0, True),
    "max_categories": (2, False),
    "min_listeners": (1, False),
    "bootstrap": (20, False),
}
_REAL = (
    "dropout",
    "learning_rate",
    "weight_decay",
    "item_ridge",
    "user_ridge",
    "bias_ridge",
    "item_scale",
    "navigation",
    "seen_weight",
)


def _days(name: str, days: object) -> tuple[str | None, str | None]:
    """Two days, each may be None, in the form 2022-04-29; ValueError names the field."""
    if not isinstance(days, tuple | list) or len(days) != 2:
        raise ValueError(f"{name} is {quoted(days)}, expected two days such as ('2022-04-25', '2022-04-29')")
    first, end = (None if day is None else iso_day(day, f"{name} holds") for day in days)
    return first, end


_FIXED: dict[str, Any] = dict(epochs=12, batch_rows=2048, start="zero", guard=None, assume_rho=True)
_SHOP: dict[str, Any] = _FIXED | dict(
    bias_ridge=0.3, dim=32, learning_rate=6e-3, split=("2008-07-01", "2008-07-15")
)
_SOCIAL: dict[str, Any] = _FIXED | {"popular_rates": False}
PRESETS: dict[str, FitConfig] = {
    "ecommerce-1": FitConfig(**_SHOP, item_rates=False),
    "ecommerce-2": FitConfig(**_SHOP),
    "content-1": FitConfig(
        **_FIXED,
        learning_rate=1e-3,
        item_scale=0.01,
        item_ridge=15.0,
        user_ridge=30.0,
        drift=False,
        leave_idle=0.8,
        dynamics=False,
        split=("2022-04-29", "2022-04-30"),
    ),
    "content-2": FitConfig(dynamics=False, split=("2022-04-29", "2022-04-30")),
    "social-1": FitConfig(
        **_SOCIAL | {"epochs": 30, "batch_rows": 8192}, dim=48, learning_rate=3e-3, seen_weight=1.0
    ),
    "social-2": FitConfig(**_SOCIAL | {"epochs": 60}, dim=64, learning_rate=4e-3),
    "social-3": FitConfig(**_FIXED | {"epochs": 60}, dim=64, learning_rate=4e-3),
}
"""The configurations of the shipped worlds."""


class Assumed(NamedTuple):
    """A value that no log of the domain identifies."""

    value: float
    reason: str


_VISIT = (
    "the last row of a visit in such a log is not known to be its end; a moderate rate, equal for all items"
)
SHARED: dict[str, Assumed] = {
    "examine": Assumed(1.0, "position effects are not identified: every shown item is examined"),
    "decay": Assumed(0.8, "satiation of a category decays by 20 % a step"),
    "pull": Assumed(0.3, "the intent returns to the profile by 30 % a step"),
}
"""Assumed values of all domains. The other numbers that a card calls assumed are computed: `leave_bias`, `outside` and
`connect_bias` from rates in ASSUMED; `exposure` and `logged_stay` from responses where no impressions are logged;
`patience` is 0 where its estimate does not improve validation."""

ASSUMED: dict[str, dict[str, Assumed]] = {
    "ecommerce": {
        "answer_rate": Assumed(0.8, "share of pages with a click; pages without one are not logged"),
        "page_items": Assumed(18, "items of a page where a log has no pages; as in the e-shop"),
        "leave_idle": Assumed(
            0.0,
            "who clicks nothing on a slate leaves as often as who clicks: the effect is not identified, and a log of "
            "clicks alone has no such slates",
        ),
        "idle_rate": Assumed(0.025, "share of visits that end before their first click; they are not logged"),
        "cart_rate": Assumed(0.026, "RetailRocket, whole log by its readme: 69,332 carts of 2,664,312 views"),
        "purchase_rate": Assumed(0.324, "RetailRocket, whole log by its readme: 22,457 buys of 69,332 carts"),
        "event_gain": Assumed(0.5, "slope of cart and purchase on affinity, at an unchanged mean rate"),
        "cart_item_sd": Assumed(
            0.54,
            "RetailRocket, extract: standard deviation over items of the logit of a cart, given a view; 95 % interval "
            ".52 to .58 (8,878 items, 78,371 pairs). Effects are drawn: no item's own rate is known",
        ),
        "purchase_item_sd": Assumed(
            0.44,
            "RetailRocket, extract: standard deviation over items of the logit of a purchase, given a cart; 95 % "
            "interval .32 to .54 (4,447 items, 9,028 pairs). Effects are drawn: no item's own rate is known",
        ),
        "leave_rate": Assumed(
            0.10,
            "the log shows fewer than 20 whole visits; a mean visit of about 10 slates",
        ),
        "leave_run": Assumed(
            -0.2, "slope on log run length, in the same case; about half of that of the e-shop"
        ),
    },
    "content": {
        "leave_rate": Assumed(0.05, _VISIT + "; a mean visit of 20 slates"),
        "leave_idle": Assumed(
            0.0,
            "who clicks stays as long as who does not: otherwise responses would rise with the place in the visit",
        ),
        "leave_run": Assumed(0.3, "slope on log run length: a small satiation effect"),
        "rho": Assumed(
            -1.0,
            "an item clicked earlier in the visit has a lower affinity; a moderate value where visits hardly "
            "repeat an item, or where repeats are an artefact of logging",
        ),
        "answer_rate": Assumed(0.4, "only where the log has no impression without a click"),
        "exposure_power": Assumed(0.5, "in the same case: exposure grows as popularity to this power"),
        "event_gain": Assumed(0.5, "only for events that the log lacks"),
        "event_rate": Assumed(0.01, "only for events that the log lacks"),
    },
    "social": {
        "answer_rate": Assumed(
            0.15,
            "share of listens when items are shown in proportion to their exposure; no exposure is logged",
        ),
        "exposure_power": Assumed(
            0.5, "exposure is not logged: it is assumed to grow as popularity to this power"
        ),
        "leave_rate": Assumed(0.05, _VISIT),
        "leave_idle": Assumed(0.5, "odds of leaving 1.6 times as high after an item without a listen"),
        "leave_run": Assumed(0.2, "slope on log run length: a small satiation effect"),
        "kappa": Assumed(-0.1, "a small satiation effect; listen counts have no order"),
        "rho": Assumed(-1.0, "an item listened to earlier in the visit has a lower affinity"),
        "omega": Assumed(
            0.0,
            "influence of friends: homophily alone; a static graph does not identify the two "
            "(Shalizi and Thomas, 2011)",
        ),
        "connect_rate": Assumed(0.15, "share of accepted suggestions; no suggestion is logged"),
        "connect_again": Assumed(
            -1.0, "a candidate who was not accepted has a lower affinity when suggested again"
        ),
        "event_gain": Assumed(0.5, "slope of share and comment on affinity"),
        "event_rate": Assumed(0.02, "rate of share and of comment, given a listen"),
    },
}


def assumed(domain: str, name: str) -> float:
    """An assumed value; 0 where the table of the domain has none."""
    entry = ASSUMED[domain].get(name)
    return 0.0 if entry is None else entry.value
