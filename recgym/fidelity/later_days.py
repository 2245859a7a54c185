"""A world judged on the days that it was not fitted on: those of its own test period, or of a later log."""

from dataclasses import replace
from typing import Any

from recgym.checks import require_kind
from recgym.fidelity.figures import ONCE, Verdict, judge
from recgym.fidelity.free_run import MAX_VISITS, Shape
from recgym.fidelity.indexed_log import mapped
from recgym.logs import Log
from recgym.logs.fingerprint import digest
from recgym.logs.kinds import PAIRS, is_sampled, kind_of
from recgym.logs.log import require_logs
from recgym.logs.splits import has_times, point_text, select_visits, split_since, visits_since
from recgym.sim.world import World

FITTED = "fitted"  # entry of `looked_at`: how many of the judged rows the world was fitted on, in words
AGAIN = "at least twice: by the fit of the world, and now"  # how often the judged days were looked at


def judge_since(
    world: World,
    log: Log,
    since: str | None = None,
    *,
    resamples: int = 200,
    seed: int = 0,
    visits: int = MAX_VISITS,
    shape: Shape | None = None,
) -> Verdict:
    """Like `judge`, on the sessions from a moment on, by default the start of the world's own test period.

    A log that was sampled from the world is judged on as a whole. Any other log that maps onto the world's indices is
    from the source of the world, so that its rows before that moment may have been training data. A log that lies
    wholly after that moment is judged by day, too.
    """
    require_kind(world, World, "world", "World.load(folder)")
    require_logs(log=log)
    mapped(world, log)  # an error counts the rows of the whole log
    same = world.card.get("identity", {}).get("items") == digest(log.items)
    own = same or not is_sampled(log)
    first, known = (world.card.get(name) if own else None for name in ("learnt_from", "since"))
    seen = ""
    if since is not None:
        seen = _fitted_rows(log, since, first, known) if known and _is_reached(known, log, same) else ""
        first = None
    elif known is not None and _is_reached(known, log, same):
        since = known
    options: dict[str, Any] = {"resamples": resamples, "seed": seed, "visits": visits, "shape": shape}
    if since is None:
        verdict = judge(world, log, **options)
        if own and kind_of(log) != PAIRS:
            verdict.remarks.append(
                "the whole log, of which the world has seen a part"
                if known is None
                else "the whole log: it has no clock, so its part before "
                f"{point_text(known)} of the world's own log is not known"
            )
        return verdict if is_sampled(log) else _with_times(verdict, world, is_own=same)
    past, late = split_since(log, since)
    if first is not None and past.num_rows:
        past = split_since(past, first)[1]
    is_later = not past.num_rows  # the log lies after the world's own
    verdict = judge(world, late, None if is_later else past, by_day=is_later and has_times(late), **options)
    verdict.remarks.append(f"since {point_text(since)}")
    if seen:
        verdict.remarks.append(f"{seen}, on which the world was fitted: figures of these are no forecasts")
    if is_later:
        verdict.remarks.append(
            "the log has no earlier visits: baselines are trained on the other half of these"
        )
    verdict = _with_times(verdict, world, is_own=not is_later)
    return replace(verdict, looked_at={**verdict.looked_at, FITTED: seen}) if seen else verdict


def _fitted_rows(log: Log, since: str, first: str | None, known: str) -> str:
    """How many of the rows from `since` on are of the period from `first` to `known` of a world's fit; else empty."""
    asked = visits_since(log, since)
    fitted = asked & ~visits_since(log, known) & (True if first is None else visits_since(log, first))
    if not fitted.any():
        return ""
    rows, every = (select_visits(log, part).num_rows for part in (fitted, asked))
    return f"{rows:,} of {every:,} rows are of the days before {point_text(known)}"


def _with_times(verdict: Verdict, world: World, *, is_own: bool) -> Verdict:
    """The verdict with the number of times that its days were looked at; `is_own`: they are of the world's own log.

    A card of an earlier version does not say which days its fit judged: then those of its own log are these.
    """
    days, first = verdict.looked_at, world.card.get("looked_at", {})
    if "to" in first and "from" in days:
        is_own = days["from"] <= first["to"] and first["from"] <= days["to"]
    return replace(verdict, looked_at={**days, "times": AGAIN if is_own else ONCE})


def _is_reached(known: str, log: Log, same: bool) -> bool:
    """Whether a log can be split at the moment `known` of a card; `same`: its items are those of the world's log.

    A number of a visit is valid in the world's own log alone, and only where that has more visits.
    """
    kind, _, value = known.partition(":")
    return same and log.num_sessions > int(value) if kind == "visit" else has_times(log)
