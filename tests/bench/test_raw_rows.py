"""The file of raw rows replaces the folders of runs."""

import io
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_runs import MEANS, write_run, write_table

from recgym.bench.judged_runs import judged_run
from recgym.bench.launch import _missing, table_entropy
from recgym.bench.machine import git, versions
from recgym.bench.raw_rows import FILE, read_runs, records_of, rows_bytes, stored_rows
from recgym.bench.report import write_report
from recgym.bench.run import Job
from recgym.bench.run_folder import run_folders


def outputs(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def without_folders(table, place):
    """A copy that has the file of rows alone."""
    place.mkdir(parents=True)
    shutil.copy(table / FILE, place / FILE)
    return place


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Runs of two environments, one of them failed, and the report of them."""
    out = write_table(tmp_path_factory.mktemp("results") / "quick")
    write_run(out, "content", "slateq", 0, error="ValueError: not of 21")
    write_report(out)
    return out


def test_a_report_of_the_rows_is_that_of_the_folders_byte_for_byte(table, tmp_path):
    rows = without_folders(table, tmp_path / "quick")
    write_report(rows)
    ours, theirs = outputs(rows), outputs(table)
    assert set(ours) >= {"README.md", "quick.png", FILE}
    assert ours == theirs
    write_report(tmp_path)  # of the folder of tables
    assert (tmp_path / "README.md").read_bytes() == theirs["README.md"]


def test_rows_hold_all_of_a_run_that_tables_need(table):
    folders, failed = read_runs(table)
    rows, errors = stored_rows(table)
    assert len(folders) == 3 * 2 * len(MEANS)
    for ours, theirs in zip(rows, folders, strict=True):
        assert ours._replace(returns=None) == theirs._replace(returns=None)
        assert (ours.returns == theirs.returns).all()
        assert ours.returns.dtype == np.float64
    assert errors == failed
    columns = pq.read_table(table / FILE)
    for name in ("agent", "env_id", "seed", "params", "env_steps", "entropy", "commit", "version", "returns"):
        assert columns[name].null_count == (name == "returns")  # of the failed run


def test_a_run_folder_replaces_the_row_of_its_seed(table, tmp_path):
    out = without_folders(table, tmp_path / "quick")
    write_run(out, "content", "ucb1", 1, mean=50.0, digest="11111111")
    found = [run for run in read_runs(out)[0] if run.record["run_id"].startswith("content-ucb1-001")]
    assert [run.record["run_id"] for run in found] == ["content-ucb1-001-11111111"]
    assert found[0].returns.mean() > 40
    before = len(stored_rows(out)[0])
    write_report(out)
    assert len(stored_rows(out)[0]) == before == 36
    for place in run_folders(out):
        shutil.rmtree(place)
    assert max(run.returns.mean() for run in read_runs(out)[0]) > 40


def test_times_of_decisions_are_kept_and_earlier_files_have_none(tmp_path):
    record = write_run(tmp_path / "made", "content", "ucb1", 0)
    run = judged_run(record, tmp_path / "made" / record["run_id"])
    timed = {**record, "timing": {**record["timing"], "act_1_ms": 0.25, "act_256_ms": 3.0}}
    for given in (timed, record):
        (tmp_path / FILE).write_bytes(rows_bytes("quick", [run._replace(record=given)], []))
        assert stored_rows(tmp_path)[0][0].record == given
    table = pq.read_table(tmp_path / FILE).drop_columns(["act_1_ms", "act_256_ms"])
    pq.write_table(table, tmp_path / FILE)
    assert stored_rows(tmp_path)[0][0].record == record


def test_damaged_rows_are_refused(table, tmp_path):
    place = tmp_path / "quick"
    place.mkdir()
    whole = pq.read_table(table / FILE)
    for change, message in (
        (whole.drop_columns("returns"), "no raw rows of the schema recgym.rows/1"),
        (whole.replace_schema_metadata({}), "no raw rows of the schema recgym.rows/1"),
        (pa.concat_tables([whole, whole.slice(0, 1)]), "a run is in two rows"),
        (with_column(whole, "agent", [None] * len(whole)), r"row 0 \(content-dcf-dqn-000-00000000\)"),
        (with_column(whole, "params", ["{"] * len(whole)), "params is not valid JSON"),
        (with_column(whole, "returns", [[float("nan")]] * len(whole)), "a return is out of range"),
    ):
        pq.write_table(change, place / FILE)
        with pytest.raises(ValueError, match=message) as caught:
            stored_rows(place)
        assert str(caught.value).startswith(f"{place / FILE}")
        assert "\n" not in str(caught.value)
    (place / FILE).write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"rows\.parquet"):
        stored_rows(place)


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        (
            "returns",
            lambda old: [old[0] + 0.001, *old[1:]],
            "its return is .*, and was .* when the run ended",
        ),
        ("returns", lambda old: old[:-1], "its return is"),
        ("length", lambda _: float("nan"), "its length is nan"),
        ("response_rate", lambda old: old / 2, "its response_rate is"),
        ("coverage", lambda _: 7.0, "its coverage is 7"),
        ("gini", lambda old: -old, "its exposure_gini is"),
        ("final", lambda _: "{}", "return"),
        (
            "seed",
            lambda old: old + 1,
            "run_id is 'content-dcf-dqn-000-00000000', and its run is seed 1 of 'content'",
        ),
        ("first_seed", lambda old: old + 1, "its first_seed is .*, and .* follows from its seed and entropy"),
        ("first_seed", lambda _: None, "its first_seed is None"),
        ("entropy", lambda old: old + 1, "its first_seed is"),
        ("entropy", lambda _: -1, "non-negative"),
        ("experiment", lambda _: "social", "of 'social'"),
        ("run_id", lambda _: "mine", "run_id is 'mine'"),
        ("train_s", lambda _: float("nan"), "train_s is nan, expected a finite number, 0 or more"),
        ("evaluate_s", lambda old: -old, "evaluate_s is -0.125"),
        ("curve_returns", lambda old: [None] * len(old), "TypeError"),
        ("facts", lambda old: with_facts(old, metrics="x"), "metrics is 'x', expected dict"),
        ("facts", lambda old: with_facts(old, metrics={"cvar": "x"}), "metrics: cvar is 'x', expected int"),
        ("facts", lambda old: with_facts(old, metrics={"cvar": float("inf")}), "metrics: cvar is inf"),
        ("facts", lambda old: with_facts(old, planning={"low": 1.0}), "planning: difference is missing"),
    ],
)
def test_a_row_that_was_changed_is_refused(table, tmp_path, column, change, message):
    """A report was made of most of them, a traceback of the others."""
    whole = pq.read_table(table / FILE)
    old = whole[column].to_pylist()
    pq.write_table(with_column(whole, column, [change(old[0]), *old[1:]]), tmp_path / FILE)
    with pytest.raises(ValueError, match=message) as caught:
        stored_rows(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / FILE}: row 0 (")
    assert "\n" not in str(caught.value)


def with_facts(text, **changes):
    return json.dumps(json.loads(text) | changes)


def with_column(table, name, values):
    at = table.schema.get_field_index(name)
    return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))


def test_a_published_table_stays_under_thirty_megabytes():
    """33 agents, six environments, 20 seeds, 2,000 sessions: bytes a run of 500 sessions, times four, times 3,960."""
    rng = np.random.default_rng(0)
    run = fake_content_run(rng.poisson(40.0, 500).astype(float))
    few, more = (rows_bytes("full", [run_again(run, seed, rng) for seed in range(n)], []) for n in (10, 30))
    assert 4 * (len(more) - len(few)) / 20 * 33 * 6 * 20 < 30 << 20
    assert len(pq.read_table(io.BytesIO(more))) == 30


def fake_content_run(returns):
    from fake_runs import record_of

    from recgym.bench.judged_runs import JudgedRun

    record = record_of("content", "dcf-dqn", 0, params={f"setting {i}": 0.1 * i for i in range(30)})
    facts = {"num_items": 1000, "events": ["click"], "reward_is_assumed": 0, "planning": None}
    curve = tuple((1000 * k, 0.1 * k + 1 / 3) for k in range(60))
    return JudgedRun(record, 1 << 63, returns, 5.0, 0.5, 0.5, 0.5, facts, curve)


def run_again(run, seed, rng):
    name = f"content-dcf-dqn-{seed:03d}-{rng.integers(1 << 32):08x}"
    files = {
        "curve.parquet": f"{rng.integers(1 << 62):064x}",
        "sessions.parquet": f"{rng.integers(1 << 62):064x}",
    }
    record = json.loads(json.dumps(run.record)) | {"run_id": name, "files": files}
    curve = tuple((steps, float(rng.normal())) for steps, _ in run.curve)
    return run._replace(record=record, returns=rng.permutation(run.returns), curve=curve)


def test_a_benchmark_goes_on_from_rows_where_the_folders_are_gone(table, tmp_path):
    rows = without_folders(table, tmp_path / "quick")
    records = records_of(rows)
    for record in records:
        record |= {"git": git(), "versions": versions()}
    ids = [record["run_id"] for record in records]
    jobs = [Job(None, str(rows), run_id, "w", "w") for run_id in [*ids, "content-ucb1-009-00000000"]]
    absent = [job.run_id for job in _missing(jobs, records, rows, anew=False)]
    assert absent == [
        "content-slateq-000-00000000",
        "content-ucb1-009-00000000",
    ]  # the failed one is tried again


def test_new_runs_of_another_commit_are_refused_or_all_are_made_anew(table, tmp_path):
    rows = without_folders(table, tmp_path / "quick")
    records = records_of(rows)
    ids = [record["run_id"] for record in records]
    jobs = [Job(None, str(rows), run_id, "w", "w") for run_id in ids]
    with pytest.raises(
        ValueError, match=r"36 of its rows \(content-dcf-dqn-000-00000000\) are of other code"
    ):
        _missing(jobs, records, rows, anew=False)
    assert len(_missing(jobs, records, rows, anew=True)) == len(ids)
    with pytest.raises(ValueError, match="18 of its rows"):  # the other environment's would be left
        _missing(jobs[:18], records, rows, anew=True)
    done = [job for job in jobs if "slateq" not in job.run_id]
    assert _missing(done, records, rows, anew=False) == []  # nothing new


def test_the_entropy_of_a_table_is_drawn_once(table, tmp_path):
    assert table_entropy(table, None) == table_entropy(table, "draw") == table_entropy(table, "7") == 7
    first, second = (table_entropy(tmp_path / "new", "draw") for _ in range(2))
    assert first != second
    assert table_entropy(tmp_path / "new", "12") == 12
    with pytest.raises(ValueError, match=f"--entropy is 8, and the rows in {table} have 7"):
        table_entropy(table, "8")
    for text in ("-1", "1.5", "x", str(1 << 63)):
        with pytest.raises(ValueError, match="expected draw or a whole number from 0"):
            table_entropy(tmp_path, text)
