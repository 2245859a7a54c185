"""What a log of slates shows of their positions, and what of it the world has: rates in the log, examination.

A recipe gives the log before the test.
"""

import numpy as np
import torch

from recgym.arrays import Arrays, Doubles, Ints
from recgym.fit.config import SHARED, FitConfig
from recgym.fit.dataset import Dataset
from recgym.fit.examination import Examination, fit_examination
from recgym.fit.place_terms import of_steps
from recgym.fit.provenance import Provenance
from recgym.fit.response_model import Response
from recgym.fit.slate_choice import SlateChoice, fit_slate_choice
from recgym.fit.streaks import of_visits
from recgym.logs import Log
from recgym.logs.kinds import responses_of
from recgym.logs.whole_visits import has_positions, has_slates
from recgym.sim.schema import ONE_OF_SLATE

MAX_PLACES = 10  # on a card
MIN_ROWS = 20  # of a position
FEW = 5.0  # times as many slates with several responses are expected of independent ones
MIN_BETWEEN = 0.05  # share of the variance of positions that is between items, from which the card says so
MOST_SEVERAL = 0.01  # share of the slates with a response that have several, where users choose one
NOT_FITTED = "effects of the position in a slate are not fitted: every shown item is examined"
NO_POSITIONS = "the log has slates and no positions: every shown item is examined"
NO_BETTER = "positions did not improve validation: every shown item is examined"
EQUAL = "users choose from the slate: weights of positions are not known, or did not improve validation"


def rates_by_place(log: Log) -> list[float]:
    """Share of the rows with a response at each of the first positions of slates; empty without slates or positions.

    Positions are counted in the slate. One that has fewer than MIN_ROWS rows, and those after it, are left out; one
    position alone is none.
    """
    if not has_positions(log):
        return []
    position = _positions(log)
    count, responses = np.bincount(position), np.bincount(position, responses_of(log))
    few = np.flatnonzero(count < MIN_ROWS)
    last = min(int(few[0]) if len(few) else len(count), MAX_PLACES)
    return [round(float(rate), 4) for rate in responses[:last] / count[:last]] if last > 1 else []


def one_response(log: Log) -> str:
    """In words that slates of the log have hardly more than one response, which the world does not keep; else empty.

    Independent responses at the log's rate would give FEW times as many slates with several, and at least MIN_ROWS.
    """
    if not has_slates(log):
        return ""
    found, size = _responses_of_slates(log)
    none = 1.0 - float(responses_of(log).mean())
    expected = float((1.0 - none**size - size * (1.0 - none) * none ** (size - 1)).sum())
    several = int((found > 1).sum())
    if expected < max(MIN_ROWS, FEW * several):
        return ""
    return (
        f"{several:,} of {len(found):,} slates before the test have more than one response, "
        f"{(found > 0).mean():.1%} have one or more; a response for each item on its own would give about "
        f"{expected:,.0f} slates with several"
    )


def _responses_of_slates(log: Log) -> tuple[Ints, Ints]:
    """(slates,) numbers of responses and of rows."""
    begins, response = np.flatnonzero(_positions(log) == 0), responses_of(log).astype(np.int64)
    return np.add.reduceat(response, begins), np.diff(np.r_[begins, len(response)])


def is_chosen_from(log: Log) -> bool:
    """Whether the log's slates have one response at most, but for a share MOST_SEVERAL of those with a response."""
    if not one_response(log):
        return False
    found = _responses_of_slates(log)[0]
    return bool((found > 1).sum() <= MOST_SEVERAL * (found > 0).sum())


def _positions(log: Log) -> Ints:
    """(rows,) place of a row among those of its slate, from 0."""
    session, step = log.column("session"), log.column("step")
    begins = np.r_[True, (session[1:] != session[:-1]) | (step[1:] != step[:-1])]
    row = np.arange(len(begins))
    return row - np.asarray(np.maximum.accumulate(np.where(begins, row, 0)), np.int64)


def examined(
    log: Log, dataset: Dataset, x: Doubles, response: Response, config: FitConfig
) -> Examination | SlateChoice | None:
    """How users see a slate: by choice of one item, see `fit_slate_choice`, else by position, see `fit_examination`.

    None where the log shows neither, or without a guard.
    """
    if config.guard is None:
        return None
    spread, placed = response.deviate_sd(dataset), has_positions(log)
    if dataset.weight is None and is_chosen_from(log):
        shared, above = shared_part(dataset, response), response.above
        found = fit_slate_choice(dataset, x + above, shared + above, spread, config.guard, placed)
        if found is not None:
            return found._replace(shared=shared)
    return fit_examination(dataset, x, spread, config.guard) if placed else None


def _enter_choice(log: Log, found: SlateChoice, arrays: Arrays, provenance: Provenance) -> dict[str, float]:
    """Writes a choice from slates into `arrays`, with its provenance; returns its numbers.

    The logit of no response is that beside an item of mean bias, by exposure; `item_bias` is the difference to it.
    """
    arrays["choice"] = np.array([ONE_OF_SLATE])
    arrays["examine"] = found.table(max(len(arrays["examine"]), int(_positions(log).max()) + 1))
    bias = arrays["item_bias"] + found.item
    outside = -float(arrays["exposure"] @ bias)
    arrays["item_bias"] = bias + outside
    words = (
        "of no response, beside an item of mean bias: users choose one item of a slate, or none; log-loss of left-out "
        f"visits {found.gain:.3f} lower a slate than of independent items"
    )
    provenance.fitted("outside", outside, words)
    if (found.examine < 1.0).any():
        words = f"odds that the item at positions 1 to {len(found.examine)} is chosen, beside the best one; effects of "
        provenance.fitted("examine", _shown(found.examine), words + "items are fitted with them")
    else:
        provenance.absent("examine", EQUAL)
    return {"outside": outside}


def shared_part(dataset: Dataset, response: Response) -> Doubles:
    """(rows,) the part of the logits that all items have in common: of users, contexts, steps and streaks."""
    with torch.no_grad():
        terms = response.model.terms()
        user, context, place = (
            response.scale * value.cpu().double().numpy()
            for value in (terms.user_bias, terms.context_bias, terms.place_bias)
        )
    x = user[dataset.user] + context[dataset.context] + of_steps(dataset, place)
    x = x + of_steps(dataset, response.steps)
    gain = response.streak.gain
    return np.asarray(x + gain * of_visits(dataset, response.streak.pull)[0] if gain else x, np.float64)


def enter_examination(
    log: Log,
    found: Examination | SlateChoice | None,
    config: FitConfig,
    arrays: Arrays,
    provenance: Provenance,
) -> dict[str, float]:
    """Writes what `examined` found into `arrays`, for as many positions as the largest slate has, and its provenance.

    Returns the numbers of a choice from slates.
    """
    if isinstance(found, SlateChoice):
        return _enter_choice(log, found, arrays, provenance)
    arrays["examine"] = np.ones(max(len(arrays["examine"]), int(_positions(log).max()) + 1))
    if found is not None:
        arrays["examine"] = found.table(len(arrays["examine"]))
        arrays["item_bias"] = arrays["item_bias"] + found.item
        provenance.fitted("examine", _shown(found.examine), _words(found))
    elif not has_slates(log):
        provenance.assumed("examine", *SHARED["examine"])
    elif not has_positions(log):
        provenance.assumed("examine", SHARED["examine"].value, NO_POSITIONS)
    elif config.guard is None:
        provenance.assumed("examine", SHARED["examine"].value, NOT_FITTED)
    else:
        provenance.absent("examine", NO_BETTER)
    return {}


def _shown(examine: Doubles) -> str:
    some = ", ".join(f"{value:.3g}" for value in examine[:MAX_PLACES])
    return some + (" ..." if len(examine) > MAX_PLACES else "")


def _words(found: Examination) -> str:
    """How the examination was found, and what it may be confounded with."""
    words = (
        f"share of the slates in which positions 1 to {len(found.examine)} are seen, beside the most seen one; effects "
        f"of items are fitted with them; log-loss of left-out visits {found.gain:.4f} lower a row"
    )
    if found.of_items < MIN_BETWEEN:
        return words + "; items are at all positions alike"
    return words + (
        f"; {found.of_items:.0%} of the variance of positions is between items, which are told from positions by their "
        "rows at several ones; taste that is not fitted, by which the logging policy ranks, counts as position; the "
        "world's logging policy ranks nothing, so that its rates by position, as it runs, lack what the ranking adds: "
        "those with the log's slates, one step ahead, have it"
    )
