"""How a fit is run, and everything that no log tells: the one table of assumed values, each with its reason."""

from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

STARTS = ("counts", "zero")


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Choices of a fit. Those about the model are made on the validation period, never on the test period."""

    dim: int = 16  # d, factors
    hidden: int = 64  # width of the towers' hidden layer
    dropout: float = 0.0  # in the towers
    epochs: int | None = None  # of a one-cycle schedule; None: up to `steps`, at a constant rate
    steps: int = 6_000  # of gradient descent, at most: training ends where validation no longer improves
    patience: int = 6  # rounds without a better validation after which it ends; a round is an epoch or some
    learning_rate: float = 3e-3  # peak of the schedule
    weight_decay: float = 1e-3  # AdamW's
    batch_rows: int | None = None  # rows of a batch; None: by the size of the log
    assume_rho: bool = False  # whether `rho` is assumed where a log could tell it
    start: str = "counts"  # where item biases begin: at the log's "counts", or at "zero"
    guard: float | None = (
        2.0  # [standard errors] by which what was learnt must beat baselines on validation to be
    )
    # kept, else it is shrunk or left out; None: it is kept
    item_ridge: float = 0.3  # on the sum of squares of what an item's id adds to its factors and push
    user_ridge: float = 3.0  # ... and a user's id to his profile
    bias_ridge: float = 3.0  # ... and either to its bias
    item_scale: float = 0.1  # where that part of an item begins
    drift: bool = True  # a positive answer moves the intent
    navigation: float = 0.3  # weight of the choice of a page beside that of an item on it
    split: tuple[str, str] | None = (
        None  # ISO dates at which validation and test begin; else 80/10/10 by time
    )
    period: tuple[str | None, str | None] | None = (
        None  # [first, end) days to learn from, in place of `split`: their last tenth validates, later days test
    )
    resample: int | None = None  # seed of a bootstrap over the visits before the test; None: the log as it is
    max_categories: int = 32  # the most frequent stay, the others become "other"
    min_listeners: int = 5  # social: an item with fewer users is left out
    seen_weight: float = (
        0.3  # there: a target's weight where the profile was told of it; 1 where it was hidden
    )
    bootstrap: int = 200  # resamples behind an interval on the card

    def __post_init__(self) -> None:
        lowest = {"dim": 1, "hidden": 1, "epochs": 1, "batch_rows": 16, "max_categories": 2, "steps": 1}
        lowest |= {"min_listeners": 1, "bootstrap": 20, "patience": 1, "guard": 0}
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise ValueError(f"{name} is {value}, it must be at least {low}")
        if self.start not in STARTS:
            raise ValueError(f"start is {self.start!r}, it must be {' or '.join(STARTS)}")
        for name in (
            "learning_rate",
            "weight_decay",
            "item_ridge",
            "user_ridge",
            "bias_ridge",
            "item_scale",
            "navigation",
            "seen_weight",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be at least 0")
        if self.split is not None and not self.split[0] < self.split[1]:
            raise ValueError(f"split is {self.split}: the test must begin after the validation")
        _check_period(self.period)


def _check_period(period: tuple[str | None, str | None] | None) -> None:
    first, end = period or (None, None)
    for day in (first, end):
        if day is not None:
            try:
                date.fromisoformat(day)
            except ValueError as error:
                raise ValueError(f"period holds {day!r}, expected a day such as 2022-04-29") from error
    if first is not None and end is not None and not first < end:
        raise ValueError(f"period is {first}:{end}: it must end after its first day")


_FIXED: dict[str, Any] = dict(epochs=12, batch_rows=2048, start="zero", guard=None, assume_rho=True)
PRESETS: dict[str, FitConfig] = {
    "ecommerce-1": FitConfig(
        **_FIXED, bias_ridge=0.3, dim=32, learning_rate=6e-3, split=("2008-07-01", "2008-07-15")
    ),
    "content-1": FitConfig(
        **_FIXED,
        learning_rate=1e-3,
        item_scale=0.01,
        item_ridge=15.0,
        user_ridge=30.0,
        drift=False,
        split=("2022-04-29", "2022-04-30"),
    ),
    "social-1": FitConfig(
        **_FIXED | {"epochs": 30, "batch_rows": 8192}, dim=48, learning_rate=3e-3, seen_weight=1.0
    ),
    "social-2": FitConfig(**_FIXED | {"epochs": 60}, dim=64, learning_rate=4e-3),
}
"""The configurations of the shipped worlds."""


class Assumed(NamedTuple):
    """A value that no log of the domain tells."""

    value: float
    reason: str


_VISIT = (
    "where a visit of such a log ends, the user need not have left; a sober shape, the same for all items"
)
ASSUMED: dict[str, dict[str, Assumed]] = {
    "ecommerce": {
        "answer_rate": Assumed(
            0.8, "share of logged pages answered with a click; every logged page has one click"
        ),
        "page_items": Assumed(18, "items of a page where a log has no pages; as in the e-shop"),
        "leave_idle": Assumed(0.0, "a shown slate without a click leaves no row in a click log"),
        "cart_rate": Assumed(0.026, "RetailRocket, whole log by its readme: 69,332 carts of 2,664,312 views"),
        "purchase_rate": Assumed(0.324, "RetailRocket, whole log by its readme: 22,457 buys of 69,332 carts"),
        "event_gain": Assumed(0.5, "slope of cart and purchase on affinity; the mean stays at the rate"),
        "leave_rate": Assumed(
            0.10,
            "the log does not show whole visits, or not 20 of them; about 10 slates",
        ),
        "leave_run": Assumed(-0.2, "there too; about half of what the e-shop shows"),
    },
    "content": {
        "leave_rate": Assumed(0.05, _VISIT + "; a mean visit of about 14 slates"),
        "leave_idle": Assumed(
            0.8, "a skipped item makes leaving 2.2 times as likely in odds: engagement keeps people"
        ),
        "leave_run": Assumed(0.3, "slope on log run length: sameness tires, mildly"),
        "rho": Assumed(
            -1.0,
            "an item clicked in this visit is less welcome: a sober value where visits hardly repeat an item, or "
            "where repeats are an artefact of logging",
        ),
        "answer_rate": Assumed(0.4, "only where the log has no impression without a click"),
        "exposure_power": Assumed(0.5, "only there: shown as popularity to this power"),
        "event_gain": Assumed(0.5, "only for events that the log lacks"),
        "event_rate": Assumed(0.01, "only for events that the log lacks"),
    },
    "social": {
        "answer_rate": Assumed(
            0.15, "share of listens when items are shown by their exposure; no exposure is logged"
        ),
        "exposure_power": Assumed(0.5, "what was shown how often is unknown: as popularity to this power"),
        "leave_rate": Assumed(0.05, _VISIT),
        "leave_idle": Assumed(0.5, "an item not listened to makes leaving 1.6 times as likely in odds"),
        "leave_run": Assumed(0.2, "slope on log run length: sameness tires, mildly"),
        "kappa": Assumed(-0.1, "a category tires, mildly; listen counts have no order"),
        "rho": Assumed(-1.0, "an item listened to in this visit is less welcome in the same visit"),
        "omega": Assumed(
            0.0,
            "influence of friends: homophily alone, as taste is fitted; static counts cannot tell the two apart "
            "(Shalizi and Thomas, 2011)",
        ),
        "connect_rate": Assumed(0.15, "share of suggested friends who are accepted; no suggestion is logged"),
        "connect_again": Assumed(-1.0, "a refused friend is less welcome when he is suggested again"),
        "event_gain": Assumed(0.5, "slope of share and comment on affinity"),
        "event_rate": Assumed(0.02, "share and comment, of listens"),
    },
}


def assumed(domain: str, name: str) -> float:
    """An assumed value; 0 where the domain's table does not name it."""
    entry = ASSUMED[domain].get(name)
    return 0.0 if entry is None else entry.value
