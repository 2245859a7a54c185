"""Log -> Frame: numbered users, items ordered by exposure, sessions with periods, padded batches.

A fit knows the rows of TRAIN and VALIDATION. How often users come and items are shown is counted on these alone; who
occurs later only has a place in the tables, behind the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from recgym.arrays import Bools, Codes, Doubles, Floats, Ints
from recgym.events import EVENTS
from recgym.fit.config import FitConfig
from recgym.fit.torch_session import Batch
from recgym.logs import Log
from recgym.logs.splits import TEST, TRAIN, UNUSED, VALIDATION, dates, visit_days

MIN_ROWS, MIN_VISITS = 20, 6
MIN_EVIDENCE = 20  # rows that tell something of a number, to fit it
LONG = 512  # rows of a visit that a batch holds in one piece


@dataclass(frozen=True)
class ItemTable:
    """What is public about N items, most shown first."""

    category: Ints  # (N,)
    categories: tuple[str, ...]  # (C,)
    page: Ints  # (N,) number of the page in its category, 0 where the log has none
    price: Doubles  # (N,) NaN where unknown
    duration: Doubles  # (N,) ms, NaN where unknown
    exposure: Doubles  # (N,) share of the known rows, 0 for an item that comes later
    columns: Mapping[str, Any]  # the log's other columns, (N,) each

    @property
    def shelf(self) -> Ints:
        """(N,) code of the (category, page) an item stands on."""
        codes: Ints = np.unique(self.category * (self.page.max() + 1) + self.page, return_inverse=True)[1]
        return codes.astype(np.int64)

    @property
    def price_z(self) -> Doubles:
        """(N,) standardised log price, 0 where unknown."""
        known = np.isfinite(self.price) & (self.price > 0)
        logs = np.log(np.where(known, self.price, 1.0))
        spread = logs[known].std() if known.any() else 0.0
        return (
            np.where(known, (logs - logs[known].mean()) / spread, 0.0) if spread > 0 else np.zeros(len(logs))
        )

    def price_slope(self, effect: Doubles) -> float:
        """Slope of an item effect (N,) on `price_z` between items of one shelf, weighted by exposure; 0 without prices.

        Prices do not change within an item, so this is all that a price can mean: the rest is the item's own.
        """
        shelf = self.shelf
        total = np.maximum(np.bincount(shelf, self.exposure), 1e-12)

        def within(values: Doubles) -> Doubles:
            centred: Doubles = values - (np.bincount(shelf, self.exposure * values) / total)[shelf]
            return centred

        price = within(self.price_z)
        spread = float((self.exposure * price**2).sum())
        return float((self.exposure * price * within(effect)).sum() / spread) if spread > 1e-9 else 0.0

    @property
    def price_ratio(self) -> Doubles:
        """(N,) price over the mean price of the catalogue, 0 where unknown."""
        known = np.isfinite(self.price) & (self.price > 0)
        return (
            np.where(known, self.price / self.price[known].mean(), 0.0)
            if known.any()
            else np.zeros(len(known))
        )


class Evidence(NamedTuple):
    """Known rows that tell something of what earlier responses of the visit do."""

    later: int  # with a response before them in their visit
    third: int  # with two
    repeats: int  # of an item that had a response before in the visit


@dataclass(frozen=True)
class Dataset:
    """Rows of a log as numbers, in sessions; a row is a step."""

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
    known: (
        Bools  # (rows,) what a fit may know: rows of TRAIN and VALIDATION, or the pairs that are not held out
    )
    items: ItemTable
    num_users: int
    user_columns: Mapping[str, Any]  # the log's as Arrow, (U,) each
    user_row: Ints  # (U,) row of the log's users table
    item_row: Ints  # (N,) row of its items table

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

    @property
    def visits(self) -> Ints:
        """First rows of the visits of which something is known."""
        return self.starts[np.logical_or.reduceat(self.known, self.starts)]

    @cached_property
    def evidence(self) -> "Evidence":
        """What the known rows can tell of memory within a visit."""
        rows, positive = self.known, self.positive.astype(bool)
        session, first = self.session, np.repeat(self.starts, self.lengths)
        before = np.cumsum(positive) - positive
        since = before - before[first]  # responses earlier in the visit
        again = seen_before(session, self.item, positive)
        return Evidence(
            int((rows & (since > 0)).sum()), int((rows & (since > 1)).sum()), int((rows & again).sum())
        )

    @property
    def step(self) -> Ints:
        """(rows,) 0-based place in the session."""
        return np.arange(len(self.item)) - np.repeat(self.starts, self.lengths)

    def resampled(self, seed: int) -> "Dataset":
        """The frame with as many visits of train and of validation as there are, drawn with replacement.

        Items, users and the test stay as they are, so that worlds of one ensemble share their indices (Efron, 1979).
        """
        rng = np.random.default_rng(seed)
        drawn = [rng.choice(part, len(part)) for part in map(self.sessions, (TRAIN, VALIDATION))]
        chosen = np.concatenate([*drawn, self.sessions(TEST, UNUSED)])
        lengths = self.lengths[chosen]
        starts = np.cumsum(lengths) - lengths
        rows = np.repeat(self.starts[chosen] - starts, lengths) + np.arange(int(lengths.sum()))
        return replace(
            self,
            user=self.user[rows],
            item=self.item[rows],
            context=self.context[rows],
            positive=self.positive[rows],
            events={name: flag[rows] for name, flag in self.events.items()},
            watch=self.watch[rows],
            starts=starts,
            lengths=lengths,
            period=self.period[chosen],
            known=self.known[rows],
        )

    def sessions(self, *periods: int) -> Ints:
        """Numbers of the sessions in these periods."""
        return np.flatnonzero(np.isin(self.period, periods))

    def drawn(self, period: int, limit: int) -> Ints:
        """Numbers of the sessions in a period; of more than `limit` rows, of visits at random with about as many."""
        sessions = self.sessions(period)
        share = limit / max(int(self.lengths[sessions].sum()), 1)
        return sessions[np.random.default_rng(0).random(len(sessions)) < share]

    def batches(self, sessions: Ints, rows: int, device: torch.device, rng: np.random.Generator) -> "Batches":
        """Padded batches of about `rows` steps, visits of like length together."""
        starts, lengths = _pieces(self.starts[sessions], self.lengths[sessions])
        order = np.argsort(lengths + rng.random(len(lengths)), kind="stable")
        return Batches(self, starts[order], lengths[order], rows, device)


class Batches(Sequence[Batch]):
    """Batches of a frame's visits, each made when it is asked for: they never stand in memory together."""

    def __init__(self, frame: Dataset, starts: Ints, lengths: Ints, rows: int, device: torch.device) -> None:
        self.frame, self.starts, self.lengths, self.device = frame, starts, lengths, device
        self.parts = list(_parts(lengths, rows))

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: Any) -> Any:
        first, last = self.parts[index]
        lengths, starts, frame = self.lengths[first:last], self.starts[first:last], self.frame
        clock = np.arange(lengths.max())
        mask = clock[None, :] < lengths[:, None]
        row = np.where(mask, starts[:, None] + clock[None, :], 0)

        def tensor(values: NDArray[Any], kind: torch.dtype) -> torch.Tensor:
            return torch.as_tensor(values, dtype=kind, device=self.device)

        return Batch(
            tensor(frame.user[starts], torch.int64),
            tensor(frame.context[starts], torch.int64),
            tensor(np.where(mask, frame.item[row], 0), torch.int64),
            tensor(mask & frame.positive[row], torch.float32),
            tensor(mask, torch.float32),
            tensor(row, torch.int64),
        )


def _pieces(starts: Ints, lengths: Ints) -> tuple[Ints, Ints]:
    """Visits cut into pieces of LONG rows: a batch is quadratic in the length of its visits.

    In a piece the visit begins anew; what lies farther back has faded, and hardly any visit is that long.
    """
    count = -(-lengths // LONG)
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    begun = within * LONG
    return np.repeat(starts, count) + begun, np.minimum(np.repeat(lengths, count) - begun, LONG)


def _parts(lengths: Ints, rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of visits, shortest first, that are at most `rows` steps when padded."""
    begin, sizes = 0, lengths.tolist()
    for end in range(1, len(sizes) + 1):
        if end == len(sizes) or (end + 1 - begin) * sizes[end] > rows:
            yield begin, end
            begin = end


def make_dataset(log: Log, config: FitConfig, *, positives_only: bool, known: Bools | None = None) -> Dataset:
    """Number what occurs in the log; ValueError where it cannot carry a world.

    `known` (rows of the log,) are those that a fit may know, where that does not go by visits.
    """
    response = EVENTS[log.domain][0].name
    positive = log.column(response).astype(bool) if response in log.events else np.ones(log.num_rows, bool)
    if known is not None and not known.any():
        raise ValueError(
            f"no item of the log has {config.min_listeners} users: a world of pairs needs users who share items"
        )
    _refuse_small(log, positive, response)
    keep = positive if positives_only else np.ones(log.num_rows, bool)
    raw_user, raw_item = log.column("user")[keep], log.column("item")[keep]
    session = log.column("session")[keep]
    starts = np.flatnonzero(np.r_[True, session[1:] != session[:-1]])
    lengths = np.diff(np.r_[starts, len(session)])
    # pairs are held out by themselves, whatever the visits
    period = periods(visit_days(log, keep), config) if known is None else np.zeros(len(starts), np.int64)
    period = period.astype(np.int8)
    past = np.repeat(period <= VALIDATION, lengths) if known is None else known[keep]
    users, user = _numbered(raw_user, past, log.num_users, by_count=False)
    items, item = _numbered(raw_item, past, log.num_items, by_count=True)
    shown = np.bincount(item[past], minlength=len(items))
    context, contexts = _contexts(log, keep)
    watch = np.asarray(log.column("watch_ms"), np.float32)[keep]
    frame = Dataset(
        log.domain,
        user,
        item,
        context,
        contexts,
        positive[keep],
        {name: log.column(name).astype(bool)[keep] for name in log.events},
        watch,
        starts.astype(np.int64),
        lengths.astype(np.int64),
        period,
        past,
        _items(log, items, shown / shown.sum(), config),
        len(users),
        {name: log.users[name].take(pa.array(users)) for name in log.users.column_names},
        users,
        items,
    )
    return frame if config.resample is None else frame.resampled(config.resample)


def _numbered(raw: Codes, known: Bools, size: int, *, by_count: bool) -> tuple[Ints, Codes]:
    """Rows of a table that occur, the known ones first and by frequency if asked, and (rows,) the number of each."""
    all_rows, often = np.bincount(raw, minlength=size), np.bincount(raw[known], minlength=size)
    order = np.lexsort((np.arange(size), -often if by_count else often == 0, all_rows == 0))
    order = order[: int((all_rows > 0).sum())]
    number = np.full(size, -1, np.int32)
    number[order] = np.arange(len(order))
    return order.astype(np.int64), number[raw]


def seen_before(session: Ints, item: Codes, positive: Bools) -> Bools:
    """(rows,) whether the row's item had a response before in its visit; rows of a visit are in order."""
    code = session.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
    order = np.argsort(code, kind="stable")
    counts: Ints = np.cumsum(positive[order]) - positive[order]
    begins = np.r_[True, np.diff(code[order]) != 0]
    base = np.maximum.accumulate(np.where(begins, counts, 0))
    out = np.empty(len(code), bool)
    out[order] = counts > base
    return out


def sample(rows: Bools, limit: int) -> Bools:
    """These rows, or of more than `limit` about as many drawn at random."""
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


def _contexts(log: Log, keep: Bools) -> tuple[Codes, tuple[str, ...]]:
    """Hour of the day, else the context of a world that the log was sampled from, else one context."""
    for name, limit in (("context_hour", 24), ("context_index", 1000)):
        if name in log.rows.column_names:
            codes = np.asarray(log.column(name), np.float32)[keep]
            if np.isfinite(codes).all() and codes.min() >= 0 and codes.max() < limit:
                count = limit if name == "context_hour" else int(codes.max()) + 1
                return codes.astype(np.int16), tuple(str(code) for code in range(count))
    return np.zeros(int(keep.sum()), np.int16), ("any",)


def periods(days: list[str] | Doubles, config: FitConfig) -> Ints:
    """Period of every session: by the configured dates, else the first 80 %, the next 10 %, the last 10 %."""
    if config.period is not None:
        period = _periods_of(dates(days), *config.period)
    elif config.split is not None:
        day = dates(days)
        period = (day >= config.split[0]).astype(np.int64) + (day >= config.split[1])
    else:
        period = _shares(np.array(days), 0.8, 0.9)
    missing = [name for k, name in enumerate(("train", "validation", "test")) if not (period == k).any()]
    if missing:
        raise ValueError(f"the log has no visit in the {missing[0]} period; {_needed(len(days), config)}")
    return period


def _needed(visits: int, config: FitConfig) -> str:
    """What a log of so few visits needs."""
    if config.period is not None or config.split is not None:
        return f"it has {visits} visits in all: choose other days"
    return (
        f"it has {visits} visits in all and needs at least {MIN_VISITS}, of one user or of many, to learn from, to "
        "validate and to judge: give its rows times (a visit ends after a pause) or a column session"
    )


def _periods_of(dates: NDArray[np.str_], first: str | None, end: str | None) -> Ints:
    """Learn from [first, end), the last tenth of it validates; later days are the test, else the last tenth again."""
    inside = (dates >= (first or "")) & (dates < (end or "9999"))
    if not inside.any():
        raise ValueError(f"period {first or ''}:{end or ''}: the log has {min(dates)} to {max(dates)}")
    period = np.where(dates < (first or ""), UNUSED, TEST)
    later = end is not None and bool((dates >= end).any())
    period[inside] = _shares(dates[inside], *((0.9, 1.0) if later else (0.8, 0.9)))
    return period


def _shares(days: NDArray[Any], *cuts: float) -> Ints:
    """0, 1 or 2 by rank in time: below the first share, between the two, above."""
    rank = np.empty(len(days), np.int64)
    rank[np.argsort(days, kind="stable")] = np.arange(len(days))
    return np.searchsorted([int(len(days) * cut) for cut in cuts], rank, side="right").astype(np.int64)


def _items(log: Log, kept: Ints, exposure: Doubles, config: FitConfig) -> ItemTable:
    table = log.items.take(kept)
    columns = {name: table[name].to_pylist() for name in table.column_names}

    def numbers(name: str) -> Doubles:
        if name not in columns:
            return np.full(len(kept), np.nan)
        return np.array([np.nan if value is None else float(value) for value in columns[name]])

    labels = [str(value) for value in columns.get("category", ["item"] * len(kept))]
    category, categories = fold_categories(labels, exposure, config.max_categories)
    page = np.nan_to_num(numbers("page"), nan=0.0).astype(np.int64)
    rest = {name: columns[name] for name in columns if name not in ("id", "label", "category", "page")}
    return ItemTable(
        category, categories, np.maximum(page, 0), numbers("price"), numbers("duration_ms"), exposure, rest
    )


def fold_categories(labels: list[str], weight: Doubles, limit: int) -> tuple[Ints, tuple[str, ...]]:
    """Codes and names of the heaviest categories; beyond `limit` all others become "other", the last."""
    total: dict[str, float] = {}
    for label, share in zip(labels, weight.tolist(), strict=True):
        total[label] = total.get(label, 0.0) + share
    names = sorted(total, key=lambda name: (-total[name], name))
    if len(names) > limit:
        names = [*[name for name in names if name != "other"][: limit - 1], "other"]
    code = {name: index for index, name in enumerate(names)}
    return np.array([code.get(label, len(names) - 1) for label in labels], np.int64), tuple(names)


def few_listeners_dropped(log: Log, least: int, known: Bools) -> tuple[Log, Bools, int]:
    """The log without items of fewer than `least` known rows, which of it is known, how many known items went."""
    counts = np.bincount(log.column("item")[known], minlength=log.num_items)
    keep = counts[log.column("item")] >= least
    went = int(((counts > 0) & (counts < least)).sum())
    return replace(log, rows=log.rows.filter(pa.array(keep))), known[keep], went
