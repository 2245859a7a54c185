"""Pairs of users and items without exposures -> a world of independent answers with a static profile.

Taste is fitted by a multinomial likelihood over the catalogue (as in Liang et al., 2018, without the autoencoder):
P(item | user) is a softmax of <p_u, q_i> + b_i. What a shown item is answered with follows only by assuming how often
it was shown: exposure grows as popularity to an assumed power, and a base rate is assumed.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recgym.events import EVENTS
from recgym.fit import fidelity
from recgym.fit.assemble import (
    Arrays,
    Ledger,
    assumed_leaving,
    build_world,
    card_head,
    mean_kept_bias,
    plain_arrays,
    rewards_assumed,
)
from recgym.fit.choice import Report
from recgym.fit.config import ASSUMED, FitConfig, assumed
from recgym.fit.features import tower_user_features
from recgym.fit.frame import TEST, TRAIN, VALIDATION, Doubles, Frame, Ints, few_listeners_dropped, make_frame
from recgym.fit.heads import assume_event
from recgym.fit.model import SessionModel
from recgym.logs import Log
from recgym.sim.world import World

TOP = 20  # recall is counted at this rank
CALIBRATION_DRAWS = 20_000


class Pairs(NamedTuple):
    """Distinct pairs, with the period of each."""

    user: Ints
    item: Ints
    period: Ints


def fit_pairs(
    log: Log, name: str, config: FitConfig, seed: int, device: torch.device, report: Report
) -> World:
    """Train on 80 % of the pairs, judge on 10 %; the shipped numbers come from all but the test pairs."""
    log, dropped = few_listeners_dropped(log, config.min_listeners)
    frame = make_frame(log, config, positives_only=True)
    pairs = split_pairs(frame, log, seed)
    losses: list[float] = []
    train(frame, pairs, config, (TRAIN,), config.epochs, seed, device, report, losses)
    epochs = int(np.argmin(losses)) + 1
    model = train(frame, pairs, config, (TRAIN, VALIDATION), epochs, seed, device, report)
    ledger, arrays = Ledger(frame.domain), plain_arrays(frame, config.dim) | {"choice": np.ones(1)}
    numbers = taste_terms(frame, model, seed, arrays, ledger) | assumed_leaving(ledger, arrays)
    ledger.assumed("exposure", "share of pairs", "no exposures are logged: popularity stands for them")
    ledger.fitted("population", f"{frame.num_users} users", "every user as often as the others, or by visits")
    report("card", 0, 1, "")
    card = card_head(log, frame, name, config, seed) | {"terms": ledger.finish(), "epochs": epochs}
    card["figures"] = pair_figures(frame, pairs, arrays, scores(model), config)
    card["rows"] = {
        label: int((pairs.period == k).sum()) for k, label in enumerate(("train", "validation", "test"))
    }
    card["period"] = (
        "no clock: 80/10/10 % of the pairs at random"
        if np.isnan(log.column("time")).any()
        else card["period"]
    )
    card["notes"] += [f"{dropped} items of fewer than {config.min_listeners} users left out"]
    card["rewards_assumed"] = rewards_assumed(ledger)
    return build_world(name, frame, arrays, numbers, card)


def split_pairs(frame: Frame, log: Log, seed: int) -> Pairs:
    """Distinct pairs, 80/10/10: by time of their first row where the log has a clock, else at random."""
    code, first = np.unique(frame.user * frame.num_items + frame.item, return_index=True)
    time = np.asarray(log.column("time"), np.float64)
    clock = time[first] if len(time) == len(frame.item) and np.isfinite(time).all() else None
    key = np.random.default_rng(seed).random(len(code)) if clock is None else clock
    rank = np.empty(len(code), np.int64)
    rank[np.argsort(key, kind="stable")] = np.arange(len(code))
    period = np.searchsorted([int(0.8 * len(code)), int(0.9 * len(code))], rank, side="right")
    return Pairs(code // frame.num_items, code % frame.num_items, period.astype(np.int64))


def train(
    frame: Frame, pairs: Pairs, config: FitConfig, periods: tuple[int, ...], epochs: int, seed: int,
    device: torch.device, report: Report, losses: list[float] | None = None,
) -> SessionModel:  # fmt: skip
    """Cross-entropy of each pair's item over the catalogue; `losses` collects that of the validation pairs."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    fixed = {"kappa": 0.0, "rho": 0.0, "theta": 0.0, "pull": 0.0, "decay": 0.0}
    model = SessionModel(frame, tower_user_features(frame), config, drift=False, fixed=fixed).to(device)
    target = torch.zeros(frame.num_users, frame.num_items, device=device)
    chosen = np.isin(pairs.period, periods)
    target[torch.as_tensor(pairs.user[chosen]), torch.as_tensor(pairs.item[chosen])] = 1.0
    size = max(1, config.batch_rows * frame.num_users // int(chosen.sum()))
    count = -(-frame.num_users // size)
    optimizer = torch.optim.AdamW(model.groups(config), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=config.epochs * count,
        pct_start=0.1,
    )
    for epoch in range(epochs):
        for users in np.array_split(rng.permutation(frame.num_users), count):
            terms, wanted = model.terms(), target[users]
            chance = (terms.profile[users] @ terms.factors.T + terms.item_bias).log_softmax(1)
            loss = -(chance * wanted).sum() / wanted.sum().clamp(min=1.0) + model.ridge(
                config, int(chosen.sum())
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
        report("taste", epoch + 1, epochs, "")
        if losses is not None:
            losses.append(float(pair_losses(scores(model), pairs, VALIDATION).mean()))
    return model


def scores(model: SessionModel) -> Doubles:
    """(U, N) log-probabilities of items."""
    model.eval()
    with torch.no_grad():
        terms = model.terms()
        out: Doubles = (
            (terms.profile @ terms.factors.T + terms.item_bias).log_softmax(1).cpu().double().numpy()
        )
    model.train()
    return out


def pair_losses(score: NDArray[np.float64], pairs: Pairs, period: int) -> Doubles:
    """Of the pairs of one period."""
    part = pairs.period == period
    loss: Doubles = -score[pairs.user[part], pairs.item[part]]
    return loss


def taste_terms(
    frame: Frame, model: SessionModel, seed: int, arrays: Arrays, ledger: Ledger
) -> dict[str, float]:
    """Write taste into `arrays`, with the base rate and exposure that are assumed; returns its numbers."""
    with torch.no_grad():
        terms = model.terms()
    arrays["profile"] = terms.profile.detach().double().cpu().numpy()
    arrays["factors"] = terms.factors.double().cpu().numpy()
    power = assumed(frame.domain, "exposure_power")
    bias = terms.item_bias.double().cpu().numpy() - power * np.log(frame.items.exposure)
    rng = np.random.default_rng(seed)
    user = rng.integers(frame.num_users, size=CALIBRATION_DRAWS)
    item = rng.choice(frame.num_items, size=CALIBRATION_DRAWS, p=frame.items.exposure)

    def logit(users: Ints, items: Ints) -> Doubles:
        value: Doubles = (arrays["profile"][users] * arrays["factors"][items]).sum(1) + bias[items]
        return value

    shift = mean_kept_bias(logit(user, item), assumed(frame.domain, "answer_rate"))
    arrays["item_bias"] = bias
    shape, response = f"{model.dim} factors", EVENTS[frame.domain][0].name
    ledger.fitted("profile", shape, f"static: who has which {response}")
    ledger.fitted("factors", shape, f"static: who has which {response}")
    ledger.from_table("item_bias", "exposure_power")
    ledger.assumed("outside", -shift, ASSUMED[frame.domain]["answer_rate"].reason)
    ledger.fitted(
        f"event:{response}",
        "logistic",
        "who answers what; how often anybody answers is `outside`, which is assumed",
    )
    for index in range(1, len(EVENTS[frame.domain])):
        assume_event(ledger, arrays, index, logit(frame.user, frame.item) + shift)
    for term in ("sigma", "eta", "pull", "push"):
        ledger.absent(term, "a static log: no order of answers")
    ledger.assumed("examine", 1.0, "no positions are logged: every shown item is looked at")
    dynamics: dict[str, float] = {
        name: ledger.from_table(name) for name in ("kappa", "rho") if name in ASSUMED[frame.domain]
    }
    dynamics["outside"] = -shift
    ledger.assumed("decay", 0.8, "a step leaves 80 % of a category's satiation")
    return dynamics


def pair_figures(
    frame: Frame, pairs: Pairs, arrays: Arrays, score: NDArray[np.float64], config: FitConfig
) -> list[fidelity.Figure]:
    """Held-out pairs beside popularity."""
    past = pairs.period != TEST
    popular = (np.bincount(pairs.item[past], minlength=frame.num_items) + 1.0) / (
        past.sum() + frame.num_items
    )
    toy = np.broadcast_to(np.log(popular), score.shape)
    cluster = pairs.user[pairs.period == TEST]
    users, ours = recall(score, pairs)
    theirs = recall(toy, pairs)[1]
    return [
        fidelity.mean_figure("log-loss of a held-out item over the catalogue", "users", pair_losses(score, pairs, TEST),
                             cluster, config.bootstrap, toy=pair_losses(toy, pairs, TEST), toy_name="popularity"),
        fidelity.mean_figure(f"recall at {TOP} of held-out items", "users", ours, users, config.bootstrap, toy=theirs,
                             toy_name="popularity"),
    ]  # fmt: skip


def recall(score: NDArray[np.float64], pairs: Pairs) -> tuple[Ints, Doubles]:
    """Users with a test pair, and the share of their test items among the TOP best that they did not have before."""
    hidden = score.copy()
    past = pairs.period != TEST
    hidden[pairs.user[past], pairs.item[past]] = -np.inf
    users = np.unique(pairs.user[~past])
    depth = min(TOP, score.shape[1])
    best = np.argpartition(-hidden[users], depth - 1, axis=1)[:, :depth]
    top = np.zeros((len(users), score.shape[1]), bool)
    np.put_along_axis(top, best, True, axis=1)
    row = np.searchsorted(users, pairs.user[~past])
    hits = np.bincount(row, weights=top[row, pairs.item[~past]])
    return users, hits / np.bincount(row)
