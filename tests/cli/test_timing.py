"""The command speed."""

import json

import pytest
from refusals import refused

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


@pytest.fixture
def unmeasured(monkeypatch):
    """Nothing may be measured before the options are checked."""
    monkeypatch.setattr(speed_module, "measure", lambda *of: pytest.fail("it was measured"))
    monkeypatch.setattr(
        "recgym.bench.bandit_speed.measure_bandits", lambda *of: pytest.fail("it was measured")
    )
    monkeypatch.setattr("recgym.bench.training_speed.tasks", lambda: pytest.fail("it was measured"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--bandits", "--training"), "--bandits and --training measure one thing each"),
        (("--bandits", "--out", "sp"), "--out has an effect only without --bandits"),
        (("--training", "--out", "sp"), "--out has an effect only without --training"),
        (("--bandits", "--device", "auto"), "--device has an effect only without --bandits"),
        (("--training", "--seconds", "1"), "--seconds has an effect only without --training"),
        (("--training-steps", "600"), "--training-steps has an effect only with --training"),
        (("--device", "mps"), "--device is 'mps', recgym speed can use only 'auto', 'cpu', 'cuda'"),
    ],
)
def test_options_without_effect_are_refused(run, unmeasured, options, message):
    refused(run("speed", *options), message)


def test_a_folder_that_cannot_be_written_is_refused_before_measuring(run, unmeasured, tmp_path):
    (tmp_path / "file").write_text("kept")
    refused(
        run("speed", "--out", tmp_path / "file"), f"--out {tmp_path / 'file'}: is a file, expected a folder"
    )
    refused(run("speed", "--out", tmp_path / "file" / "sp"), "--out", "cannot be written")


def test_figures_are_printed_before_they_are_written(run, monkeypatch, tmp_path):
    def fail(*of):
        raise OSError(28, "No space left on device", str(of[0]))

    row = speed_module.Speed(*("Gymnasium CartPole-v1", *(1,) * 6, *(2.0,) * 3), None)
    monkeypatch.setattr(speed_module, "measure", lambda *of: iter([row]))
    monkeypatch.setattr("recgym.bench.speed_page.write_speed", fail)
    code, out, err = run("speed", "--json", "--out", tmp_path / "sp")
    assert code == 2
    assert json.loads(out)[0]["single"] == 2.0
    assert "No space left on device" in err
