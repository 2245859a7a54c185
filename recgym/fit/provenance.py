"""Provenance of the terms of a world, and the parts of its arrays and card that do not depend on a model."""

from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from recgym.arrays import Arrays
from recgym.events import EVENTS
from recgym.fit.config import ASSUMED, FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.user_features import public_user_features
from recgym.logs import Log
from recgym.logs.cell_rules import CONTEXT_CODES, READ_CONTEXTS
from recgym.logs.fingerprint import identity
from recgym.logs.mapping import CONTEXT
from recgym.logs.problems import shown
from recgym.logs.random_exposure import RANDOM_FLAGS
from recgym.sim.posterior import NAMES, STORED, spreads_of
from recgym.sim.schema import PARAMS, params
from recgym.sim.world import World

FITTED, ASSUMED_STATUS, ABSENT = "fitted", "assumed", "absent"
ARRAY_TERMS = (
    "population", "profile", "user_bias", "factors", "push", "item_bias", "context_bias", "examine", "watch",
    "event_user", "leave_time", "leave_run", "leave_item", "leave_context", "exposure", "logged_stay", "graph",
)  # fmt: skip
OPTIONAL_TERMS = (
    "page_chain",
    "logged_again",
    "leave_level",
    "transitions",
    "returns",
    "place_bias",
    "item_sd:cart",
    "item_sd:purchase",
)  # that a card has where its recipe considers them
MAX_PERSON_SHARE = 0.1  # of the visits, of a user who is a person
MIN_PERSONS = 20  # users of a log of persons
CAUSES = (
    "effects are associations in the log, not causal: an item that was clicked before users left need not have caused "
    "it, so the worth of planning holds for this world, not for its shoppers or viewers"
)


class Provenance:
    """The terms of a card: fitted, assumed or absent, each with its value and source."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.rows: dict[str, dict[str, Any]] = {}

    def fitted(self, term: str, value: float | str, source: str) -> None:
        """Adds a term that is estimated from the log."""
        self._set(term, FITTED, value, source)

    def absent(self, term: str, reason: str) -> None:
        """Adds a term that is not in the model."""
        self._set(term, ABSENT, 0.0, reason)

    def assumed(self, term: str, value: float | str, reason: str) -> None:
        """Adds a term that the log does not identify."""
        self._set(term, ASSUMED_STATUS, value, reason)

    def from_table(self, term: str, key: str | None = None) -> float:
        """Adds `term` with the assumed value of the domain's table, and returns the value."""
        value, reason = ASSUMED[self.domain][key or term]
        self.assumed(term, value, reason)
        return value

    def finish(self) -> list[dict[str, Any]]:
        """All terms; those that were not added are absent."""
        for term in term_names(self.domain):
            if term not in self.rows:
                self.absent(term, "this fit has no such term")
        optional = [term for term in OPTIONAL_TERMS if term in self.rows]
        return [self.rows[term] for term in (*term_names(self.domain), *optional)]

    def status(self, term: str) -> str:
        """fitted, assumed or absent."""
        return str(self.rows[term]["status"]) if term in self.rows else ABSENT

    def _set(self, term: str, status: str, value: float | str, source: str) -> None:
        if term not in (*term_names(self.domain), *OPTIONAL_TERMS):
            raise ValueError(f"card term {term!r} is unknown")
        shown = round(float(value), 5) if not isinstance(value, str) else value
        self.rows[term] = {"term": term, "status": status, "value": shown, "source": source}


def term_names(domain: str) -> tuple[str, ...]:
    """The terms of every card: the numbers of the session model, the array terms, the events."""
    return (
        *(param.name for param in PARAMS),
        *ARRAY_TERMS,
        *(f"event:{event.name}" for event in EVENTS[domain]),
    )


def plain_arrays(dataset: Dataset, dim: int) -> Arrays:
    """The arrays of a world of the dataset's users and items in which all effects are 0."""
    users, items, events = dataset.num_users, dataset.num_items, EVENTS[dataset.domain]
    names = [event.name for event in events]
    visits = np.bincount(dataset.user[dataset.visits], minlength=users).astype(np.float64)
    contexts = np.bincount(dataset.context[dataset.visits], minlength=len(dataset.contexts)).astype(
        np.float64
    )
    table = dataset.items
    return {
        "choice": np.zeros(1),
        "watch": np.zeros(1),
        "user_cdf": cdf(visits),
        "profile": np.zeros((users, dim)),
        "user_bias": np.zeros(users),
        "factors": np.zeros((items, dim)),
        "push": np.zeros((items, dim)),
        "item_bias": np.zeros(items),
        "event_item": np.zeros((items, len(events))),
        "event_user": np.zeros((users, len(events))),
        "leave_item": np.zeros(items),
        "category": table.category,
        "page": table.page,
        "price": table.price_z,
        "price_ratio": table.price_ratio,
        "duration": table.known_duration,
        "exposure": table.exposure,
        "logged_stay": np.zeros(1),
        "context_cdf": cdf(contexts),
        "context_bias": np.zeros(len(dataset.contexts)),
        "leave_context": np.zeros(len(dataset.contexts)),
        "examine": np.ones(50),
        "event_bias": np.zeros(len(events)),
        "event_gain": np.r_[1.0, np.zeros(len(events) - 1)],
        "event_link": np.zeros((len(events), 2)),
        "event_needs": np.array(
            [-1 if event.needs is None else names.index(event.needs) for event in events]
        ),
        "watch_quantiles": np.zeros((3, 2)),
        "leave_time": np.zeros(1),
        "leave_run": np.zeros(1),
    }


def cdf(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative shares: exactly 1 from the last positive weight on, so that no entry of weight 0 is drawn."""
    total: NDArray[np.float64] = np.minimum(np.cumsum(weights / weights.sum()), 1.0)
    total[np.flatnonzero(weights)[-1] :] = 1.0
    return total


def assumed_leaving(
    provenance: Provenance, arrays: Arrays, runs: int = 20, reason: str = ""
) -> dict[str, float]:
    """Leaving terms from the table of assumed values: writes the table of runs into `arrays`, returns the numbers.

    `reason`: why the log does not identify them, in place of that of the table.
    """
    domain = provenance.domain
    rate = ASSUMED[domain]["leave_rate"]
    slope = provenance.from_table("leave_run")
    arrays["leave_run"] = slope * np.log(np.arange(1, runs + 1))
    bias = float(np.log(rate.value / (1 - rate.value)))
    why = reason or rate.reason
    provenance.assumed("leave_bias", bias, f"rate {rate.value} after the first slate: {why}")
    return {"leave_bias": bias, "leave_idle": provenance.from_table("leave_idle")}


def card_head(log: Log, dataset: Dataset, name: str, config: FitConfig, seed: int) -> dict[str, Any]:
    """The entries of a card on log, licence, periods and identity."""
    source, counts = log.source, [int((dataset.row_period == k).sum()) for k in range(3)]
    return {
        "sources": [source.name],
        "licence": source.licence,
        "citation": source.citation,
        "command": f"recgym fit LOG --domain {log.domain} --out {name} --seed {seed}",
        "log": f"LOG holds {source.name}",
        "period": _period_words(config),
        "rows": {"train": counts[0], "validation": counts[1], "test": counts[2]},
        "users": dataset.num_users,
        "items": dataset.num_items,
        "of_log": {"users": log.num_users, "items": log.num_items},
        "seed": seed,
        "identity": identity(log, dataset.user_row, dataset.item_row),
        "notes": [
            note
            for note in (
                source.note,
                CAUSES,
                card_notes_on_persons(dataset),
                _order_note(dataset),
                _weight_note(dataset),
                card_notes_on_contexts(log, dataset),
                *log.remarks,
            )
            if note
        ],
    }


def card_notes_on_persons(dataset: Dataset) -> str:
    """That the users of a log are no persons, where few users or one of them have most visits; else empty."""
    visits = np.bincount(dataset.user[dataset.starts], minlength=dataset.num_users)
    largest = float(visits.max() / visits.sum())
    if largest <= MAX_PERSON_SHARE and dataset.num_users >= MIN_PERSONS:
        return ""
    return (
        f"this log shows no persons: {dataset.num_users} users, the largest with {largest:.0%} of the visits. A user "
        "is a group, and what differs between its persons is not fitted"
    )


def _order_note(dataset: Dataset) -> str:
    """How many visits have no order of rows; empty where all have one."""
    if dataset.ordered.all():
        return ""
    return (
        f"the rows of {int((~dataset.ordered).sum()):,} of {len(dataset.ordered):,} visits share one time: their order "
        "is not known, and no effect of earlier rows, places, runs or repeats is fitted from them"
    )


def _weight_note(dataset: Dataset) -> str:
    """That the response is fitted with weights, and their effective sample size; empty without weights."""
    if dataset.weight is None:
        return ""
    own = dataset.weight[dataset.known]
    size = own.sum() ** 2 / np.square(own).sum()
    return (
        f"rows are weighted by clipped inverse propensity, weights {own.min():.2g} to {own.max():.2g}: "
        f"{len(own):,} rows count as {size:,.0f}"
    )


def card_notes_on_contexts(log: Log, dataset: Dataset) -> str:
    """Which contexts of the log no term depends on; empty where there is none."""
    names = [name for name in log.rows.column_names if name.startswith(CONTEXT)]
    flags = [CONTEXT + flag for flag in RANDOM_FLAGS]
    others = [name for name in names if name not in (*READ_CONTEXTS, *flags)]
    notes = [f"contexts that no term depends on: {shown(others)}"] if others else []
    fixed = [name for name in others if _is_of_users(log, name)]
    if fixed:
        notes.append(
            f"of a user alone, and no feature of users: {shown(fixed)}; as a column of a table of users "
            "(--source generic:users=FILE) agents and terms read it"
        )
    if len(dataset.contexts) == 1:
        empty = {name: log.rows[name].null_count for name in CONTEXT_CODES if name in names}
        rows = f"of {len(log):,} rows have none"
        notes += [f"{name} is not used: {count:,} {rows}" for name, count in empty.items() if count]
    return "; ".join(notes)


def _is_of_users(log: Log, name: str) -> bool:
    """Whether a column has one value for each user, and not the same for all."""
    users, values = (len(pc.unique(log.rows[column])) for column in ("user", name))
    pairs = len(log.rows.group_by(["user", name]).aggregate([]))
    return len(log.rows) > users == pairs and values > 1


def _period_words(config: FitConfig) -> str:
    if config.period is not None:
        first, end = (day or "" for day in config.period)
        return f"fitted on {first}:{end}, its last tenth is validation; judged on " + (
            f"later days, from {end}" if end else "the last tenth"
        )
    if config.split is None:
        return "80/10/10 % by time"
    return f"validation from {config.split[0]}, test from {config.split[1]}; fitted on days before the test"


def rewards_assumed(provenance: Provenance) -> list[str]:
    """Names of the rewards that depend on an assumed event."""
    events = {
        event.name: provenance.status(f"event:{event.name}") != FITTED for event in EVENTS[provenance.domain]
    }
    weighted = [event.name for event in EVENTS[provenance.domain] if event.engagement != 0]
    depends = {
        "clicks": events.get("click", events.get("listen", False)),
        "engagement": any(events[name] for name in weighted),
        "conversion": events.get("purchase", False),
        "revenue": events.get("purchase", False),
    }
    return [name for name, is_assumed in depends.items() if is_assumed]


def build_world(
    name: str, dataset: Dataset, arrays: Arrays, numbers: dict[str, float], card: dict[str, Any]
) -> World:
    """The world of the dataset's users and items, with their public features; `arrays` may hold a posterior's NAMES."""
    names, features = public_user_features(dataset)
    plain = {key: array for key, array in arrays.items() if key not in NAMES}
    spreads = {key: arrays.get(key, np.zeros(arrays[key.removesuffix(STORED)].shape)) for key in NAMES}
    unknown = any(spread.any() for spread in spreads.values())
    return World.build(
        name, dataset.domain, {**plain, "params": params(**numbers)}, categories=dataset.items.categories,
        contexts=dataset.contexts, user_feature_names=names, user_features=features, card=card,
        posterior=spreads_of(spreads) if unknown else None,
    )  # fmt: skip
