"""The entry point of fitting: a log to a world."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from rich.progress import Progress, TaskID

from recgym.checks import quoted, require_kind
from recgym.device import FITTING, resolve
from recgym.fidelity import judge
from recgym.fit.conditional_logit import Report
from recgym.fit.config import FitConfig
from recgym.fit.exposure_terms import validated
from recgym.fit.recipe_clicks import fit_clicks
from recgym.fit.recipe_impressions import fit_impressions
from recgym.fit.recipe_pairs import fit_pairs
from recgym.fit.temporal_split import periods
from recgym.logs import Log
from recgym.logs.fingerprint import row_numbers
from recgym.logs.kinds import CHOICES, IMPRESSIONS, PAIRS, kind_of
from recgym.logs.log import require_logs
from recgym.logs.splits import TEST, UNUSED, LogPart, select_visits, split_point, visit_days
from recgym.logs.vector_column import vectors_of
from recgym.one_thread import one_thread
from recgym.sim.public_vectors import checked_vectors, reduced
from recgym.sim.world import World
from recgym.sim.world_ids import Ids


def fit(
    log: Log,
    *,
    name: str,
    config: FitConfig | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool | Report = True,
) -> World:
    """Fits a world to a log and judges it on the test period.

    The kind of the log decides the model. Impressions with and without a response: an independent logit for each item.
    Clicks of a shop without impressions: a multinomial logit over the page. Other responses without impressions:
    user-item pairs, by a multinomial likelihood over the catalogue.

    Args:
        log: the log.
        name: of the world.
        config: defaults to `FitConfig()`.
        seed: of training; equal seeds give equal worlds on one kind of machine.
        device: "auto", "cpu" or "cuda".
        progress: whether to show progress bars, or a function that is called with the stage, what of it is done, of how
            much, and figures.

    Returns:
        The world, with its card.

    Raises:
        ValueError: the log is too small for a world, and the message states what is missing; or it is no log.
    """
    require_logs(log=log)
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"name is {quoted(name)}, expected the name of the world, a text")
    config = FitConfig() if config is None else config
    require_kind(config, FitConfig, "config", "FitConfig()")
    torch_device = torch.device(resolve(device, FITTING, "fitting"))
    if config.propensity_weights and kind_of(log) != IMPRESSIONS:
        raise ValueError(
            "propensity_weights: the log has no rows without a response, which propensities are of"
        )
    recipe = {IMPRESSIONS: fit_impressions, CHOICES: fit_clicks, PAIRS: fit_pairs}[kind_of(log)]
    with torch.random.fork_rng(), one_thread(), _reporting(progress) as report:
        world = recipe(log, name, config, seed, torch_device, report).with_card(validated=validated(log))
        world = with_vectors(with_ids(world, log), log)
        report("judging on held-out rows", 0, 1, "")
        return judged(world, log, config)


def with_ids(world: World, log: Log) -> World:
    """The world with the ids of its users and items in the log that it was fitted on."""
    known = world.card["identity"]
    users, items = (
        tuple(np.array(table["id"].to_pylist(), object)[row_numbers(known[f"{what}_rows"])].tolist())
        for what, table in (("user", log.users), ("item", log.items))
    )
    return replace(world, ids=Ids(users, items))


def with_vectors(world: World, log: Log) -> World:
    """The world with the public vectors of its items, where the log's table of items has some."""
    vectors = vectors_of(log.items)
    if vectors is None:
        return world
    own = vectors[row_numbers(world.card["identity"]["item_rows"])]
    return replace(world, item_vectors=checked_vectors(reduced(own), world.num_items))


def judged(world: World, log: Log, config: FitConfig) -> World:
    """The world with fidelity figures on the test period, or, of pairs, on the held-out pairs."""
    if kind_of(log) == PAIRS:
        return world.with_card(**judge(world, log, resamples=config.bootstrap).entries())
    period = periods(visit_days(log), config)
    late = period == TEST
    verdict = judge(
        world,
        select_visits(log, late),
        LogPart(log, ~late & (period != UNUSED)),
        resamples=config.bootstrap,
    )
    first = {} if config.period is None or config.period[0] is None else {"learnt_from": config.period[0]}
    return world.with_card(**verdict.entries(), since=split_point(log, late), **first)


@contextmanager
def _reporting(shown: bool | Report) -> Iterator[Report]:
    if callable(shown):
        yield shown
        return
    if not shown:
        yield lambda stage, done, total, figures: None
        return
    with Progress(transient=False) as bar:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int, figures: str) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total, description=f"{stage} {figures}".strip())

        yield report
        for task in tasks.values():
            bar.update(task, completed=bar.tasks[task].total)
