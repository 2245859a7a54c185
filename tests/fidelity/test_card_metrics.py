"""Figures: their ids and texts, and cards that were written before figures had ids."""

import json
from pathlib import Path

import numpy as np
import pytest

from recgym.fidelity.card import value_text
from recgym.fidelity.card_metrics import Figure, figure, figures_of, id_of, loss_figure, text_of
from recgym.fidelity.metric_table import METRICS
from recgym.fidelity.resampling import Resampling, Spread

WORLDS = Path(__file__).parents[2] / "recgym" / "worlds"
SHIPPED = sorted(folder.name for folder in WORLDS.iterdir() if folder.is_dir())
LABELS = {"event": "long_view", "number": "12", "label": "category a, b/c"}


def ids():
    for metric in METRICS:
        fields = [field for field in LABELS if f"{{{field}}}" in metric.text]
        fields.sort(key=lambda field: metric.text.index(f"{{{field}}}"))
        yield "/".join([metric.id, *(LABELS[field] for field in fields)])


@pytest.mark.parametrize("name", list(ids()))
def test_the_text_of_a_figure_leads_back_to_its_id(name):
    assert id_of(text_of(name)) == name


@pytest.mark.parametrize("world", SHIPPED)
def test_shipped_figures_have_an_id_each(world):
    card = json.loads((WORLDS / world / "world.json").read_text(encoding="utf-8"))["card"]
    figures = figures_of(card)
    assert len(figures) == len(card["figures"]) > 5
    assert len({row.id for row in figures}) == len(figures)
    assert all(row.text == text_of(row.id) for row in figures)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("clicks on an item clicked before", "repeat_share"),
        ("click after 3 answers of one category, less after mixed ones", "after_run/click/3"),
        ("comment + share a row", "rare_rate/comment + share"),
        ("rate of click, 0 to 6 h", "context_rate/click/0 to 6 h"),
        ("log-loss of leaving", "log_loss/leaving"),
        ("leaving", "leaving_rate"),
        ("somebody's figure", "somebody's figure"),
    ],
)
def test_earlier_texts_have_the_ids_of_today(text, name):
    assert id_of(text) == name


def test_a_figure_is_read_as_it_was_written():
    row = figure("auc", "click", world=0.712345678, n=9, baselines={"a": 0.5, "b": 0.6})
    assert Figure.of_entry(json.loads(json.dumps(row.entry()))) == row
    assert row.world == 0.71235
    assert row.entry()["id"] == "auc/click"
    without_id = {key: value for key, value in row.entry().items() if key != "id"}
    assert Figure.of_entry(without_id) == row


def test_an_unknown_figure_keeps_its_text():
    row = {**figure("leaving_rate", world=0.1, n=9).entry(), "id": "theirs/1", "figure": "a figure of theirs"}
    assert Figure.of_entry(row).short == Figure.of_entry(row).text == "a figure of theirs"


def test_of_several_baselines_the_best_is_shown_and_all_are_kept():
    row = figure("auc", "click", world=0.7, n=10, baselines={"a": 0.5, "b": 0.6})
    assert (row.baseline, row.baseline_name, row.baselines) == (0.6, "b", {"a": 0.5, "b": 0.6})
    assert figure("log_loss", "click", world=0.7, n=10, baselines={"a": 0.5, "b": 0.6}).baseline_name == "a"
    with pytest.raises(
        ValueError,
        match="judges users, logging policy, users, drawn to match or users and logging policy, not",
    ):
        figure("leaving_rate", judges="nobody", world=0.0, n=1)


def test_no_figure_is_minus_zero():
    row = figure("rate", "click", log=-1e-9, world=0.5, n=9, spread=Spread(-0.0, 0.1, -1e-7))
    assert [str(value) for value in (row.log, row.low, row.noise)] == ["0.0", "0.0", "0.0"]
    assert value_text(-0.0) == "0"


@pytest.mark.parametrize(
    ("metric", "log", "world", "n", "is_outside"),
    [
        ("rate/click", 0.0, 0.025, 100, False),  # 3 / 100: the rule of three
        ("rate/click", 0.0, 0.035, 100, True),
        ("rate/click", 1.0, 0.98, 100, False),
        ("rate/click", 0.2, 0.2001, 5_000, False),
        ("free_length/mean", 16.0, 16.0004, 40, False),  # printed as 16
        ("free_length/mean", 16.0, 12.6, 40, True),
        ("free_spread", 0.0, 0.025, 100, True),  # a variance is no rate
    ],
)
def test_an_interval_without_width_leaves_room_for_what_was_not_drawn(metric, log, world, n, is_outside):
    row = figure(*metric.split("/"), log=log, world=world, n=n, spread=Spread(log, log, 0.0))
    assert row.is_outside == is_outside


def test_a_loss_is_worse_where_the_paired_interval_excludes_0():
    """Losses of 2,000 rows that differ by .01 at random, with a sd of .02: sure; with a sd of 2: not."""
    rng = np.random.default_rng(0)
    rows = Resampling(np.arange(2_000), 200, 1)
    plain = rng.exponential(0.5, 2_000)
    for sd, is_worse in ((0.02, True), (2.0, False)):
        noise = rng.normal(size=2_000)
        loss = plain + 0.01 + sd * (noise - noise.mean())
        row = loss_figure("log_loss", "click", loss=loss, baselines={"flat": plain}, spread=rows.of_ratio)
        assert (row.is_worse, Figure.of_entry(row.entry())) == (is_worse, row)
