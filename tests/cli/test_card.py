"""`recgym card WORLD --log LOG`: from files to figures, pictures and errors."""

import json

import pytest

from recgym.fidelity.card import card_markdown
from recgym.logs.sample import sample_log
from recgym.sim.synthetic import synthetic


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders of a world and of a log sampled from it."""
    folder = tmp_path_factory.mktemp("card")
    world = synthetic(6, domain="social", num_users=30).with_params(sigma=0.0)
    sample_log(world, "random", 150, seed=3).write(folder / "log")
    return world.save(folder / "world"), folder / "log"


def test_a_log_judges_a_world_from_the_command_line(run, places, tmp_path):
    world, log = places
    code, out, err = run(
        "card", world, "--log", log, "--since", "visit:100", "--png", tmp_path / "card.png", "--json"
    )
    assert code == 0, err
    about = json.loads(out)
    figures = {row["id"]: row for row in about["figures"]}
    assert set(figures["rate/listen"]) == {
        "id", "figure", "judges", "log", "world", "toy", "toy_name", "low", "high", "noise", "n",
    }  # fmt: skip
    assert about["judged"][-1] == "since visit:100"
    assert figures["auc/leaving"]["n"] > 100
    assert (tmp_path / "card.png").read_bytes()[:4] == b"\x89PNG"
    code, out, _ = run("card", world, "--log", log)
    assert code == 0
    assert "| rate of listen | users |" in out
    assert "* judged on " in out


def test_a_figure_is_marked_where_it_leaves_the_logs_interval():
    def cells(log, world, low, high):
        row = {
            "figure": "f",
            "judges": "users",
            "log": log,
            "world": world,
            "toy": None,
            "low": low,
            "high": high,
        }
        card = {"figures": [{**row, "n": 9}]}
        return card_markdown(synthetic(6).with_card(**card))

    assert "0.5 (outside)" in cells(0.2, 0.5, 0.1, 0.3)
    assert "(outside)" not in cells(0.2, 0.25, 0.1, 0.3)
    assert "5 (outside)" in cells(4.0, 5.0, 4.0, 4.0)  # a median
    assert "(outside)" not in cells(0.0, 0.001, 0.0, 0.0)  # what never happened: how rare it is, nobody knows


def test_what_cannot_be_judged_ends_in_one_line(run, places, tmp_path):
    world, log = places
    other = synthetic(7, domain="social").save(tmp_path / "other")
    for arguments, words in (
        (("--since", "2022-04-30"), "it needs --log LOG"),
        (("--log", log, "--since", "2022-04-30"), "the log has no dates"),
        (("--png", tmp_path / "x.png"), "has no figures to draw"),
    ):
        code, _, err = run("card", world, *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert words in err
    code, _, err = run("card", other, "--log", log)
    assert (code, err.count("\n")) == (2, 1)
    assert "the log's items are not those that world synthetic-7 was fitted on" in err
