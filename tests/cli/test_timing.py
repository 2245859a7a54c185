"""The command speed."""

import json

import pytest

from recgym.bench import speed as speed_module
from recgym.envs import ENVIRONMENTS
from recgym.sim.synthetic import synthetic


@pytest.mark.slow
def test_speed_measures_every_environment(run, world, monkeypatch, tmp_path):
    content = next(row for row in ENVIRONMENTS if row.id == "recgym/Content-v1")
    rows = [row._replace(world=world) for row in ENVIRONMENTS if row.domain == "ecommerce" and not row.pages]
    monkeypatch.setattr(
        speed_module, "ENVIRONMENTS", [*rows, content._replace(world=synthetic(4, domain="content"))]
    )
    code, out, _ = run("speed", "--seconds", "0.01", "--json", "--out", tmp_path / "speed")
    assert code == 0
    measured = json.loads(out)
    assert [row["name"] for row in measured] == [
        *(row.id for row in rows),
        "recgym/Content-v1",
        "recgym/Content-v1, 200 items",
        "recgym/Content-v1, 6000 items",
        "Gymnasium CartPole-v1",
    ]
    assert measured[0]["slate"] == 1
    assert measured[1]["slate"] == 6
    assert all(row["vector"] > row["single"] > 100 for row in measured)
    assert json.loads((tmp_path / "speed" / "speed.json").read_text())["rows"][0]["name"] == rows[0].id
