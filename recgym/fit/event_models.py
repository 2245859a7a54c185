"""Models of the events after the response: logistic regressions on affinity, click and long view."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from recgym.arrays import Array, Arrays, Bools, Doubles, Floats
from recgym.events import EVENTS
from recgym.fit import baseline_guard
from recgym.fit.baseline_guard import held_out, search, weights
from recgym.fit.dataset import Dataset
from recgym.fit.event_chain import imply_missing, is_implied, place_of
from recgym.fit.event_rates import MAX_ROWS, MIN_EVENTS, assume_event
from recgym.fit.logistic import ROWS, Logistic, Side, add_sums, fit_logistic, mean_logistic
from recgym.fit.provenance import Provenance
from recgym.fit.two_tower import one_hot
from recgym.fit.user_features import earlier_rates, known_users
from recgym.fit.user_history import with_history
from recgym.fit.watch_model import watch_form
from recgym.logs.splits import TRAIN, VALIDATION
from recgym.numerics import log_loss, sigmoid
from recgym.sim.schema import BY_RULES
from recgym.sim.session import clicks_are_long_views

PRESET_ID_RIDGES = (3.0, 10.0, 30.0, 100.0, float("inf"))  # on id effects of items and users
SLOPE_RIDGES = (1.0, 10.0, 100.0, float("inf"))  # on slopes of features of items and users


class Shrinkage(NamedTuple):
    """Ridge penalties of the model of an event, searched in this order."""

    slopes: float = float("inf")
    item: float = float("inf")
    user: float = float("inf")


class FittedEvent(NamedTuple):
    """The model of an event."""

    model: Logistic
    user_variance: float  # prior variance of the effects of users, beside their features

    def posterior(self, dataset: Dataset, dense: Sequence[Array], rows: Bools) -> Doubles:
        """(U,) posterior standard deviation of these effects (Laplace), given some rows; `dense` as in `fit_event`."""
        information = np.zeros(dataset.num_users)
        if self.user_variance == 0.0:
            return information
        number = np.flatnonzero(rows)
        for begin in range(0, len(number), ROWS):
            part = number[begin : begin + ROWS]
            user, table = dataset.user[part], np.column_stack([column[part] for column in dense])
            chance = sigmoid(self.model.logits(table, (dataset.item[part], user)))
            add_sums(information, user, chance * (1.0 - chance))
        return np.asarray(np.sqrt(1.0 / (1.0 / self.user_variance + information)), np.float64)


def fit_event(
    dataset: Dataset,
    flag: Bools,
    dense: Sequence[Array],
    rows: Bools,
    tables: tuple[Floats, Floats],
    wide: bool = True,
) -> FittedEvent | None:
    """Fits to the rows of train and validation; None where the event is too rare.

    `dense` are columns (rows,), `tables` hold the features of items and of users. `wide` as in `choose_ridges`.
    """
    past = rows & dataset.rows_of(TRAIN, VALIDATION)
    if not MIN_EVENTS <= flag[past].sum() <= past.sum() - MIN_EVENTS:
        return None
    parts = held_out(dataset, rows, MAX_ROWS, wide)

    def fitted(part: Bools, ridges: Shrinkage) -> Logistic:
        own = ((dataset.item, ridges.item), (dataset.user, ridges.user))
        sides = [
            Side(index[part], table, ridge, ridges.slopes)
            for (index, ridge), table in zip(own, tables, strict=True)
        ]
        return fit_logistic(flag[part], [column[part] for column in dense], sides)

    def loss(ridges: Shrinkage) -> float:
        total = 0.0
        for known, judged in parts:
            which = dataset.item[judged], dataset.user[judged]
            logit = fitted(known, ridges).logits(np.column_stack([column[judged] for column in dense]), which)
            total += float(judged.sum()) * log_loss(flag[judged].astype(np.float64), logit)
        return total

    own = baseline_guard.ID_RIDGES if wide else PRESET_ID_RIDGES
    groups = (("slopes", SLOPE_RIDGES), ("item", own), ("user", own))
    tried = search(Shrinkage(), [[{name: ridge} for ridge in ridges] for name, ridges in groups], loss)
    shares = weights(tried) if wide else {next(iter(tried)): 1.0}
    fits = [fitted(past, ridges) for ridges in shares]
    prior = sum(share / ridges.user for ridges, share in shares.items())
    return FittedEvent(mean_logistic(fits, list(shares.values())), prior if wide else 0.0)


def inputs_of(dataset: Dataset, event: int) -> tuple[list[int], Bools]:
    """Which of the events 0 and 1 are features of the event, and (rows,) where it is possible."""
    table = EVENTS[dataset.domain]
    names = [entry.name for entry in table]
    place = place_of(dataset, event)
    needs = table[place].needs
    rows = np.ones(len(dataset.item), bool)
    if needs is not None:
        rows &= (
            dataset.positive if needs == names[0] else dataset.events.get(needs, np.zeros(len(rows), bool))
        )
    links = []
    if place >= 2:
        links = [
            f for f in (0, 1) if names[f] in dataset.events and needs != names[f] and not (f == 0 and needs)
        ]
    if place == 1 and watch_form(dataset) == BY_RULES:
        duration = dataset.items.duration[dataset.item]
        rows &= ~np.isnan(duration) & ~clicks_are_long_views(duration)
    return links, rows


def fit_events(
    dataset: Dataset,
    x: Doubles,
    provenance: Provenance,
    arrays: Arrays,
    wide: bool = True,
    item_rates: bool = False,
) -> None:
    """Writes the models of all events but the response; events that are missing or too rare are assumed.

    `x` (rows,) is the logit of the response; `wide` as in `fit_event`; `item_rates`: items differ in assumed
    rates where the domain has a spread of them.
    """
    table = EVENTS[dataset.domain]
    tables = (
        with_history(item_table(dataset), dataset.history and dataset.history.item),
        with_history(
            earlier_rates(dataset.user_columns, known_users(dataset)),
            dataset.history and dataset.history.level,
        ),
    )
    provenance.fitted(f"event:{table[0].name}", "logistic", "independent for each shown item")
    for index, event in enumerate(table[1:], start=1):
        if is_implied(dataset, index):
            continue
        links, rows = inputs_of(dataset, index)
        place = place_of(dataset, index)
        imply_missing(dataset, index, provenance, arrays)
        flags = [dataset.positive, dataset.events.get(table[1].name, dataset.positive)]
        dense = [x, *(flags[f] for f in links)]
        found = (
            fit_event(dataset, dataset.events[event.name], dense, rows, tables, wide)
            if event.name in dataset.events
            else None
        )
        if found is None:
            usable = dataset.known & rows
            if event.name in dataset.events and usable.any():
                flag = dataset.events[event.name][usable]
                assume_event(provenance, arrays, index, x[usable], flag, place=place)
            else:
                some = usable if usable.any() else dataset.known
                item = dataset.item[some].astype(np.int64) if item_rates else None
                assume_event(provenance, arrays, index, x[some], item=item, place=place)
            continue
        past = rows & dataset.rows_of(TRAIN, VALIDATION)
        write_event(dataset, found, place, links, dense, past, arrays)
        of = {"item": dataset.items.shown, "user": known_users(dataset)}
        spread = {side: float(arrays[f"event_{side}"][some, place].std()) for side, some in of.items()}
        words = ", ".join(f"effect of the {side} of sd {value:.2f}" for side, value in spread.items())
        given = f", given a {table[place].needs}" if place != index else ""
        slope = float(found.model.slopes[0])
        provenance.fitted(f"event:{event.name}", slope, f"slope on affinity{given}; {words}")
    if arrays["event_user"].any():
        how = "standard deviation; rates before the log and id effects, shrunk on validation"
        provenance.fitted("event_user", float(arrays["event_user"][known_users(dataset)].std()), how)


def write_event(
    dataset: Dataset, found: FittedEvent, place: int, links: list[int], dense: Sequence[Array], past: Bools,
    arrays: Arrays,
) -> None:  # fmt: skip
    """Writes the model of an event, whose features are the columns `dense` (rows,), into its place in `arrays`."""
    model = found.model
    arrays["event_bias"][place] = model.bias
    arrays["event_gain"][place] = model.slopes[0]
    arrays["event_link"][place, links] = model.slopes[1:]
    arrays["event_item"][:, place], arrays["event_user"][:, place] = model.effects
    spread_sd = found.posterior(dataset, dense, past)
    arrays.setdefault("event_user_sd", np.zeros_like(arrays["event_user"]))[:, place] = spread_sd


def item_table(dataset: Dataset) -> Floats:
    """(N, F) features of items: category, decile of duration, rates before the log."""
    items, duration = dataset.items, dataset.items.duration
    blocks = [one_hot(items.category), earlier_rates({"": duration, **items.columns}, items.shown)]
    if len(edges := items.duration_deciles()):
        blocks.append(one_hot(np.where(np.isfinite(duration), np.searchsorted(edges, duration), 10), 11))
    return np.concatenate(blocks, axis=1)
