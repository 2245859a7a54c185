"""The axis of assumed terms in the benchmark."""

import shutil

import pyarrow.parquet as pq
import pytest

from recgym.bench import run_folder, suite
from recgym.bench.assumption_sweep import swept
from recgym.bench.experiment import Experiment, Preset, runs_of
from recgym.bench.launch import by_trained_agent
from recgym.bench.report import Results
from recgym.bench.run import job_of
from recgym.bench.suite import choose
from recgym.envs import ENVIRONMENTS
from recgym.sim.synthetic import synthetic

SHOP = "recgym/Ecommerce-v1"
ARTISTS = next(row.id for row in ENVIRONMENTS if row.domain == "social")
FRIENDS = next(row.id for row in ENVIRONMENTS if row.domain == "friends")
AGENTS = ("random", "popularity", "ucb1", "thompson")


def assumed(term, value):
    return {"term": term, "value": value, "status": "assumed", "source": "for a test"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = synthetic(3, domain="ecommerce", num_items=30)
    rows = [assumed("outside", made.params["outside"]), assumed("rho", made.params["rho"])]
    made = made.with_card(terms=[*rows, assumed("examine", 1.0), assumed("omega", 0.0)])
    return str(made.save(tmp_path_factory.mktemp("worlds") / "shop"))


@pytest.fixture
def preset(world, monkeypatch):
    row = Experiment(
        name="ecommerce",
        env_id=SHOP,
        kwargs={"world": world},
        env_steps=400,
        offline_sessions=30,
        eval_sessions=30,
    )
    chosen = Preset(name="quick", about="", experiments=(row,), seeds=2, agents=AGENTS)
    monkeypatch.setitem(suite.PRESETS, "quick", chosen)
    return chosen


def test_swept_experiments_are_those_that_change_the_task(preset, world):
    (base,) = preset.experiments
    names = [row.name for row in swept(base, "sweep")]
    settings = [f"{term}={setting}" for term in ("outside", "rho") for setting in ("low", "high")]
    assert names[0] == "ecommerce"
    assert set(names[1:]) == {f"ecommerce@{setting}" for setting in [*settings, "omega=high"]}
    for row in swept(base, "sweep")[1:]:
        assert row.base == "ecommerce"
        assert row.training_kwargs == base.kwargs == {"world": world}
        term, _, setting = row.name.partition("@")[2].partition("=")
        assert row.kwargs == {"world": world, "assume": {term: setting}}
    for row in swept(base, "retrain")[1:]:
        assert row.name.endswith(",retrained")
        assert row.training_kwargs == row.kwargs
    with pytest.raises(ValueError, match="--assume is 'all', allowed: sweep, retrain"):
        choose("quick", assume="all")


def test_a_slate_is_swept_over_examination_and_given_settings_are_kept(world):
    kwargs = {"world": world, "assume": {"rho": "low"}}
    names = [row.name for row in swept(Experiment(name="s", env_id=SHOP, kwargs=kwargs), "sweep")]
    assert not any("rho" in name or "examine" in name for name in names)
    slate = Experiment(name="s", env_id="recgym/EcommerceSlate-v1", kwargs=kwargs)
    rows = {row.name: row for row in swept(slate, "sweep")}
    assert "s@examine=low" in rows
    assert rows["s@outside=low"].kwargs["assume"] == {"rho": "low", "outside": "low"}


def test_suggestions_of_friends_and_of_items_have_terms_of_their_own():
    def terms(env_id):
        rows = swept(Experiment(name="x", env_id=env_id), "sweep")[1:]
        return {row.name.removeprefix("x@").partition("=")[0] for row in rows}

    friends, items = terms(FRIENDS), terms(ARTISTS)
    assert friends == {"connect_bias", "connect_again", "leave_bias", "leave_idle"}
    assert {"outside", "rho", "kappa", "omega", "leave_bias", "leave_idle", "leave_run"} < items
    assert not any(term.startswith("connect_") for term in items)


def test_runs_of_one_trained_agent_are_one_job(preset, tmp_path):
    jobs = [job_of(run, tmp_path) for run in runs_of(choose("quick", assume="sweep"))]
    groups = by_trained_agent(jobs)
    assert [(job.run.entry.agent, job.run.run) for job in groups] == [(a, s) for s in (0, 1) for a in AGENTS]
    assert all(len(job.also) == 5 for job in groups)
    alone = by_trained_agent([job_of(run, tmp_path) for run in runs_of(choose("quick", assume="retrain"))])
    assert all(not job.also for job in alone)
    assert len(alone) == 48


def test_seeds_of_a_setting_are_those_of_its_base(preset):
    runs = runs_of(choose("quick", assume="sweep"))
    for stream in range(5):
        assert len({run.seed(stream) for run in runs if (run.entry.agent, run.run) == ("ucb1", 0)}) == 1


@pytest.mark.slow
def test_a_sweep_judges_the_same_agents_in_each_setting(run, preset, tmp_path):
    out, plain = tmp_path / "sweep", tmp_path / "plain"
    words = ("bench", "--out", out, "--workers", 1, "--assume")
    code, text, err = run(*words, "sweep")
    assert (code, err.splitlines()[-1]) == (0, "48 runs done, 0 skipped, 0 failed")
    found = Results(out)
    assert [table.experiment for table in found.tables["quick"]] == ["ecommerce"]
    (entry,) = found.stability["quick"]
    assert (entry.agents, entry.seeds) == (tuple(sorted(AGENTS)), 2)
    assert len(entry.rows) + len(entry.unchanged) == 5
    assert "Kendall's tau to the middle" in text
    page = (out / "README.md").read_text()
    assert f"#### Assumed terms: {SHOP}" in page
    assert run(*words, "sweep")[2].splitlines()[-1] == "0 runs done, 48 skipped, 0 failed"
    # the middle is the run without a sweep, and what was judged before does not change what comes after
    assert run("bench", "--out", plain, "--workers", 1)[0] == 0
    for folder in run_folder.run_folders(plain / "quick"):
        ours = pq.read_table(out / "quick" / folder.name / "sessions.parquet")
        assert ours == pq.read_table(folder / "sessions.parquet")
    alone = [path for path in run_folder.run_folders(out / "quick") if "@rho=high-" in path.name]
    before = {path: pq.read_table(path / "sessions.parquet") for path in alone}
    for path in (*alone, out / "quick" / "rows.parquet"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert run(*words, "sweep")[2].splitlines()[-1] == "8 runs done, 40 skipped, 0 failed"
    assert all(pq.read_table(path / "sessions.parquet") == rows for path, rows in before.items())
    record = run_folder.read_record(alone[0])
    assert record["env"]["kwargs"]["assume"] == {"rho": "high"}


@pytest.mark.slow
def test_a_failed_training_fails_all_its_runs(run, preset, tmp_path, monkeypatch):
    from agents.bandits.ucb1 import Ucb1
    from recgym.bench.run import execute

    def fail(*arguments, **options):
        raise RuntimeError("no training")

    monkeypatch.setattr(Ucb1, "train", fail)
    jobs = [
        job_of(each, tmp_path) for each in runs_of(choose("quick", agents=["ucb1"], assume="sweep", seeds=1))
    ]
    (job,) = by_trained_agent(jobs)
    assert execute(job) == "RuntimeError: no training"
    records = [run_folder.load_record(tmp_path / each.run_id) for each in jobs]
    assert [record["error"] for record in records] == ["RuntimeError: no training"] * 6
