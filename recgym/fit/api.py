"""Log -> World."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from rich.progress import Progress, TaskID

from recgym.events import EVENTS
from recgym.fit.choice import Report
from recgym.fit.clicks import fit_clicks
from recgym.fit.config import FitConfig
from recgym.fit.factors import pick_device
from recgym.fit.impressions import fit_impressions
from recgym.fit.pairs import fit_pairs
from recgym.logs import Log
from recgym.sim.world import World


def fit(
    log: Log,
    *,
    name: str,
    config: FitConfig | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> World:
    """A world of the log's domain, with its card. ValueError where the log cannot carry one.

    What the log holds decides the model: impressions with and without an answer give every item its own logit; a
    shop's clicks alone give one choice a page; other positives alone are set against sampled negatives.
    The same seed gives the same world on the same kind of machine.
    """
    config = config or FitConfig()
    place = pick_device(device)
    response = EVENTS[log.domain][0].name
    refused = response in log.events and not bool(log.column(response).astype(bool).all())
    recipe = fit_impressions if refused else fit_clicks if log.domain == "ecommerce" else fit_pairs
    with torch.random.fork_rng(), _one_thread(), _reporting(progress) as report:
        return recipe(log, name, config, seed, place, report)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The matrices are small: on a busy machine two threads waited for one another forty times as long as one worked.

    It also makes a world the same whatever the number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _reporting(shown: bool) -> Iterator[Report]:
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
