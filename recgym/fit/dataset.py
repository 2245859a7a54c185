"""A log as arrays for fitting: numbered users, items in order of exposure, sessions with periods.

A fit uses the rows of TRAIN and VALIDATION. Populations and exposures are counted on these rows only; users and items
that occur only later are at the end of the tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch

from recgym.arrays import Bools, Codes, Doubles, Floats, Ints
from recgym.events import EVENTS
from recgym.fit.config import FitConfig
from recgym.fit.inverse_propensity import propensity_weights
from recgym.fit.item_table import ItemTable, item_table_of
from recgym.fit.session_batches import Batches, pieces
from recgym.fit.temporal_split import periods
from recgym.fit.user_history import Earlier, History
from recgym.logs import Log
from recgym.logs.cell_rules import CONTEXT_CODES
from recgym.logs.kinds import responses_of
from recgym.logs.splits import TEST, TRAIN, UNUSED, VALIDATION, rows_of, visit_days
from recgym.logs.visit_history import cut_length

MIN_ROWS = 20  # of a log, and of its rows with a response
MIN_EVIDENCE = 20  # rows from which a term of memory is fitted


class Evidence(NamedTuple):
    """Numbers of known rows that identify the effects of earlier responses of the session."""

    later: int  # with an earlier response in their session
    third: int  # with two earlier responses
    repeats: int  # of an item with an earlier response in the session


@dataclass(frozen=True)
class Dataset:
    """Rows of a log as numbers, in sessions; a row is one shown item."""

    domain: str
    user: Codes  # (rows,)
    item: Codes  # (rows,)
    context: Codes  # (rows,)
    contexts: tuple[str, ...]
    positive: Bools  # (rows,) the domain's first event
    events: Mapping[str, Bools]  # every event the log has
    watch: Floats  # (rows,) ms, NaN where unknown
    starts: Ints  # (sessions,)
    lengths: Ints  # (sessions,)
    period: Codes  # (sessions,) TRAIN, VALIDATION, TEST, or UNUSED: before the period to learn from
    known: Bools  # (rows,) available to the fit: rows of TRAIN and VALIDATION, or pairs that are not held out
    items: ItemTable
    num_users: int
    user_columns: Mapping[str, Any]  # the log's as Arrow, (U,) each
    user_row: Ints  # (U,) row of the log's users table
    item_row: Ints  # (N,) row of its items table
    ordered: Bools  # (sessions,) whether the order of the rows is known: False where all steps share one time
    place: Codes  # (rows,) 0-based step of the visit; 0 where the order of its rows is not known
    weight: Doubles | None  # (rows,) in the response's likelihood, mean 1 over known rows; None: 1
    earlier: Earlier | None = None  # exposures before the log
    horizon: int | None = None  # [rows] at which the log says that its sessions were cut
    order: Ints | None = None  # (sessions,) their ranks in time, from 0
    num_known: int | None = None  # users with known rows, which are the first ones; None: all
    has_records: bool = (
        False  # sessions are parts of the record of a user: their rows share nothing but the user
    )

    @cached_property
    def history(self) -> History | None:
        """What exposures before the log say of users and items; None where the log has none."""
        return None if self.earlier is None else History.of(self.earlier, self.user_row, self.item_row)

    @cached_property
    def cut(self) -> int:
        """Rows after which sessions are censored, 0 for never; see `cut_length`."""
        return cut_length(self.lengths[self.period <= VALIDATION], self.horizon)

    @property
    def num_items(self) -> int:  # noqa: D102 - the name says it
        return len(self.items.category)

    @property
    def session(self) -> Ints:
        """(rows,) session of each row."""
        return np.repeat(np.arange(len(self.starts)), self.lengths)

    @property
    def row_period(self) -> Codes:
        """(rows,) period of each row."""
        return np.repeat(self.period, self.lengths)

    def rows_of(self, *periods: int) -> Bools:
        """(rows,) whether the row is of one of these periods."""
        return np.repeat(np.isin(self.period, periods), self.lengths)

    @property
    def visits(self) -> Ints:
        """First rows of the sessions with known rows."""
        return self.starts[np.logical_or.reduceat(self.known, self.starts)]

    @property
    def follows(self) -> Bools:
        """(rows,) whether the row is known to follow the row before it in its session."""
        return (self.step > 0) & np.repeat(self.ordered, self.lengths)

    @cached_property
    def step_starts(self) -> Ints:
        """(rows,) first row of each row's step: rows of one step are a slate. Without an order each row is a step."""
        row = np.arange(len(self.item))
        begins = np.concatenate([[True], self.place[1:] != self.place[:-1]])
        begins[self.starts] = True
        begins |= ~np.repeat(self.ordered, self.lengths)
        first: Ints = np.maximum.accumulate(np.where(begins, row, 0))
        return first

    @cached_property
    def has_slates(self) -> bool:
        """Whether a step has several rows: its user saw them together, so none of them precedes another."""
        return bool((self.step_starts != np.arange(len(self.item))).any())

    @cached_property
    def evidence(self) -> "Evidence":
        """Number of known rows for each effect of memory within a session."""
        rows, positive = self.known & np.repeat(self.ordered, self.lengths), self.positive.astype(bool)
        session, first = self.session, np.repeat(self.starts, self.lengths)
        before = (np.cumsum(positive) - positive)[self.step_starts]
        since = before - before[first]  # responses in earlier steps of the session
        again = (since > 0) & seen_before(session, self.item, positive)
        return Evidence(
            int((rows & (since > 0)).sum()), int((rows & (since > 1)).sum()), int((rows & again).sum())
        )

    @property
    def step(self) -> Ints:
        """(rows,) 0-based place in the session."""
        return np.arange(len(self.item)) - np.repeat(self.starts, self.lengths)

    def resampled(self, seed: int) -> "Dataset":
        """A bootstrap sample over the sessions of train and of validation. Source: Efron (1979).

        Items, users and the test period are unchanged, so that the worlds of an ensemble share their indices.
        """
        rng = np.random.default_rng(seed)
        drawn = [rng.choice(part, len(part)) for part in map(self.sessions, (TRAIN, VALIDATION))]
        chosen = np.concatenate([*drawn, self.sessions(TEST, UNUSED)])
        lengths = self.lengths[chosen]
        starts = np.cumsum(lengths) - lengths
        rows = np.repeat(self.starts[chosen] - starts, lengths) + np.arange(int(lengths.sum()))
        return self.at_rows(
            rows, starts=starts, lengths=lengths, period=self.period[chosen], ordered=self.ordered[chosen],
            order=None if self.order is None else self.order[chosen],
        )  # fmt: skip

    def at_rows(self, rows: Ints, **changes: Any) -> "Dataset":
        """The dataset with these of its rows; `changes` are fields in place of its own, such as those of sessions."""
        names = ("user", "item", "context", "positive", "watch", "known", "place")
        fields: dict[str, Any] = {name: getattr(self, name)[rows] for name in names}
        fields["events"] = {name: flag[rows] for name, flag in self.events.items()}
        fields["weight"] = None if self.weight is None else self.weight[rows]
        return replace(self, **(fields | changes))

    def sessions(self, *periods: int) -> Ints:
        """Numbers of the sessions in these periods."""
        return np.flatnonzero(np.isin(self.period, periods))

    def drawn(self, period: int, limit: int) -> Ints:
        """Numbers of the sessions in a period; if they have more than `limit` rows, a sample of about `limit` rows."""
        sessions = self.sessions(period)
        share = limit / max(int(self.lengths[sessions].sum()), 1)
        return sessions[np.random.default_rng(0).random(len(sessions)) < share]

    def batches(self, sessions: Ints, rows: int, device: torch.device, rng: np.random.Generator) -> "Batches":
        """Padded batches of sessions of similar length, about `rows` rows each.

        A row of a session without order is a session of its own, so that no effect of earlier rows is fitted from it.
        """
        starts, lengths = pieces(self.starts[sessions], self.lengths[sessions], self.ordered[sessions])
        order = np.argsort(lengths + rng.random(len(lengths)), kind="stable")
        return Batches(self, starts[order], lengths[order], rows, device)


def make_dataset(log: Log, config: FitConfig, *, positives_only: bool, known: Bools | None = None) -> Dataset:
    """Numbers the users and items of a log; ValueError where the log is too small for a world.

    `known` (rows of the log,) is given for pairs: the rows that are available to the fit.
    """
    response = EVENTS[log.domain][0].name
    positive = responses_of(log)
    if known is not None and not known.any():
        raise ValueError(
            f"no item of the log has {config.min_listeners} users: a world of pairs needs users who share items"
        )
    _refuse_small(log, positive, response)
    horizon = log.horizon if not positives_only or positive.all() else None
    if positives_only:
        known = None if known is None else known[positive]
        log, positive = rows_of(log, positive), positive[positive]
    starts = log.session_starts()
    lengths = np.diff(np.r_[starts, log.num_rows])
    # pairs are held out one by one, not by session
    days = visit_days(log) if known is None else None
    period = np.zeros(len(starts), np.int8) if days is None else periods(days, config).astype(np.int8)
    past = np.repeat(period <= VALIDATION, lengths) if known is None else known
    users, user = _numbered(log.column("user"), past, log.num_users, by_count=False)
    items, item = _numbered(log.column("item"), past, log.num_items, by_count=True)
    shown = np.bincount(item[past], minlength=len(items))
    context, contexts = _contexts(log)
    watch = np.asarray(log.column("watch_ms"), np.float32)
    ordered, step = _ordered(log, starts), log.column("step")
    dataset = Dataset(
        log.domain,
        user,
        item,
        context,
        contexts,
        positive,
        {name: log.column(name).astype(bool) for name in log.events},
        watch,
        starts.astype(np.int64),
        lengths.astype(np.int64),
        period,
        past,
        item_table_of(log, items, shown / shown.sum(), config),
        len(users),
        {name: log.users[name].take(pa.array(users)) for name in log.users.column_names},
        users,
        items,
        ordered,
        np.where(np.repeat(ordered, lengths), step - np.repeat(step[starts], lengths), 0).astype(np.int32),
        propensity_weights(log.column("propensity"), past) if config.propensity_weights else None,
        None if config.guard is None else Earlier.of(log),
        horizon,
        None if days is None else np.argsort(np.argsort(np.array(days), kind="stable"), kind="stable"),
        len(np.unique(user[past])),
    )
    return dataset if config.resample is None else dataset.resampled(config.resample)


def _ordered(log: Log, starts: Ints) -> Bools:
    """(sessions,) False where the rows are of several steps, all at one time."""
    time, step = np.asarray(log.column("time"), np.float64), log.column("step")
    several = np.maximum.reduceat(step, starts) > np.minimum.reduceat(step, starts)
    same = np.maximum.reduceat(time, starts) == np.minimum.reduceat(time, starts)  # False where unknown
    return np.asarray(~(several & same), np.bool_)


def _numbered(raw: Codes, known: Bools, size: int, *, by_count: bool) -> tuple[Ints, Codes]:
    """Rows of a table that occur, known ones first, by frequency if `by_count`; (rows,) number of each log row."""
    all_rows, often = np.bincount(raw, minlength=size), np.bincount(raw[known], minlength=size)
    order = np.lexsort((np.arange(size), -often if by_count else often == 0, all_rows == 0))
    order = order[: int((all_rows > 0).sum())]
    number = np.full(size, -1, np.int32)
    number[order] = np.arange(len(order))
    return order.astype(np.int64), number[raw]


def seen_before(session: Ints, item: Codes, positive: Bools) -> Bools:
    """(rows,) whether the item had an earlier response in the session; rows of a session are in order."""
    code = session.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
    order = np.argsort(code, kind="stable")
    counts: Ints = np.cumsum(positive[order]) - positive[order]
    begins = np.r_[True, np.diff(code[order]) != 0]
    base = np.maximum.accumulate(np.where(begins, counts, 0))
    out = np.empty(len(code), bool)
    out[order] = counts > base
    return out


def sample(rows: Bools, limit: int) -> Bools:
    """The mask `rows`, or a random subset of about `limit` of its rows if there are more."""
    share = limit / max(int(rows.sum()), 1)
    return rows if share >= 1.0 else rows & (np.random.default_rng(0).random(len(rows)) < share)


def _refuse_small(log: Log, positive: Bools, response: str) -> None:
    if log.num_rows < MIN_ROWS:
        raise ValueError(f"the log has {log.num_rows} rows; a world needs at least {MIN_ROWS}")
    if len(np.unique(log.column("item"))) < 2:
        raise ValueError("the log has one item; a world needs at least two")
    if positive.sum() < MIN_ROWS:
        raise ValueError(
            f"the log has {int(positive.sum())} rows with {response}; a world needs at least {MIN_ROWS}"
        )


def _contexts(log: Log) -> tuple[Codes, tuple[str, ...]]:
    """Hour of the day, else the context of a world that the log was sampled from, else one context."""
    for name, limit in CONTEXT_CODES.items():
        if name in log.rows.column_names:
            codes = np.asarray(log.column(name), np.float32)
            if np.isfinite(codes).all() and codes.min() >= 0 and codes.max() < limit:
                count = limit if name == "context_hour" else int(codes.max()) + 1
                return codes.astype(np.int16), tuple(str(code) for code in range(count))
    return np.zeros(log.num_rows, np.int16), ("any",)
