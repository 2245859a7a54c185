"""The picture of a card: what it draws can be read."""

from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from recgym.envs.world_lookup import load_world
from recgym.fidelity.card_picture import PANELS, _with_value


@pytest.fixture(scope="module")
def cards():
    return [load_world(name).card for name in ("content-2", "ecommerce-2", "social-3")]


def panel(title):
    return next(panel for panel in PANELS if panel.title.startswith(title))


@pytest.mark.parametrize("title", ["Free-running", "Rates", "Gain"])
def test_names_of_figures_do_not_overlap(cards, title):
    rows = [row for card in cards for row in panel(title).data(card)][:16]
    sheet = Figure(figsize=(4.6, 3.7), dpi=130)
    FigureCanvasAgg(sheet)
    axes = sheet.subplots()
    axes.tick_params(labelsize=8)
    panel(title).draw(axes, rows)
    sheet.canvas.draw()
    boxes = sorted((label.get_window_extent() for label in axes.get_yticklabels()), key=lambda box: box.y0)
    assert len(boxes) >= len(rows) == 16
    for below, above in pairwise(boxes):
        assert above.y0 - below.y0 > 0.8 * below.height


def test_a_share_of_all_is_written_plainly(cards):
    row = panel("Rates").data(cards[0])[0]
    shares = {0.9951: "100 %", 0.137: "14 %", 0.0123: "1.2 %"}
    assert {share: _with_value(row._replace(log=share)).split("  ")[1] for share in shares} == shares


def test_a_curve_of_one_point_is_no_panel():
    assert not panel("Leaving by run").data({"curves": {"leaving_by_run": [[1, 0.1, 0.0, 0.2, 0.1]]}})
    assert not panel("Leaving by run").data({})
    assert panel("Leaving by run").data({"curves": {"leaving_by_run": [[1, 0, 0, 0, 0], [2, 0, 0, 0, 0]]}})
