"""The record of a run."""

from dataclasses import dataclass

from bench_runs import small

from recgym.bench.experiment import runs_of
from recgym.bench.run import blank_record, job_of, settings_of


def test_records_hold_all_parameters_and_a_changed_default_is_another_run(worlds, tmp_path, monkeypatch):
    from agents.bandits.ucb1 import Ucb1, Ucb1Params

    run = runs_of(small(worlds, agents=("ucb1",), seeds=1))[0]
    first = job_of(run, tmp_path)
    assert blank_record(first)["agent"]["params"] == {"scale": 1.0, "fresh": True}

    @dataclass(frozen=True, kw_only=True)
    class Retuned(Ucb1Params):
        scale: float = 0.5

    monkeypatch.setattr(Ucb1, "config", Retuned)
    settings_of.cache_clear()
    assert job_of(run, tmp_path).run_id != first.run_id
    settings_of.cache_clear()
