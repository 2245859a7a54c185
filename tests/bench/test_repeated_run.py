"""A stored run is played again and compared."""

import shutil

import numpy as np
from bench_runs import small
from fake_runs import write_run

from recgym.bench.judged_runs import judged_run
from recgym.bench.launch import launch
from recgym.bench.raw_rows import FILE, stored_rows
from recgym.bench.repeated_run import compare, stored_run
from recgym.bench.report import write_report
from recgym.sim.synthetic import synthetic


def test_a_run_is_verified_from_its_row_and_a_changed_row_is_not(run, tmp_path):
    world = synthetic(3, domain="ecommerce").save(tmp_path / "worlds" / "shop")
    out = tmp_path / "quick"
    launch(small({"ecommerce": world}, agents=("popularity",), seeds=1), out, workers=1)
    write_report(out)
    (place,) = [path for path in out.iterdir() if path.is_dir()]
    shutil.rmtree(place)
    code, text, _ = run("verify", place)
    assert code == 0
    assert text.splitlines()[1].startswith(f"{place.name}: the same returns in all 40 sessions, mean ")
    (stored,) = stored_rows(out)[0]
    from recgym.bench import raw_rows

    changed = stored._replace(returns=stored.returns + (np.arange(40) == 3))
    (out / FILE).write_bytes(raw_rows.rows_bytes("quick", [changed], []))
    code, text, _ = run("verify", place)
    assert code == 1
    assert text.splitlines()[1].startswith(f"{place.name}: 1 of 40 returns differ: mean ")


def test_runs_that_cannot_be_played_again_are_one_line(run, tmp_path):
    record = write_run(tmp_path, "content", "random", 0)  # a world of another digest
    failed = write_run(tmp_path, "content", "ucb1", 0, error="ValueError: no")
    for name, message in (
        (record["run_id"], "is of world content-1 wwwwwwwwww, and recgym/Content-v0 has"),
        (failed["run_id"], "the run failed: ValueError: no"),
        ("nothing", "no folder of a run, and no complete row"),
    ):
        code, out, err = run("verify", tmp_path / name)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err


def test_every_return_and_figure_counts(tmp_path):
    record = write_run(tmp_path, "content", "random", 0)
    stored = judged_run(record, tmp_path / record["run_id"])
    assert compare(stored, stored_run(tmp_path / record["run_id"])).is_same
    assert compare(stored, stored._replace(returns=stored.returns[:-1])).differing == 1
    found = compare(stored, stored._replace(gini=stored.gini + 1e-12))
    assert (found.is_same, found.other_figures) == (False, ("gini",))
