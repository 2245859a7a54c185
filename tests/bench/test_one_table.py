"""A table has rows of one commit, one entropy and one version of each environment."""

import shutil

import pytest
from fake_runs import COMMIT, record_of, write_run

from recgym.bench.one_table import refuse_mixture
from recgym.bench.report import write_report


def rows(**changes):
    first = [record_of("content", agent, seed) for agent in ("random", "ucb1") for seed in range(3)]
    return [
        *first,
        record_of("content", "dcf-dqn", 0, **changes),
        record_of("social", "random", 0, world="v" * 64),
    ]


def test_rows_of_one_code_and_task_make_a_table():
    elsewhere = rows()
    elsewhere[0]["env"]["kwargs"] = {"world": "/a/copy/of/it"}
    for table in (rows(), [], elsewhere):
        assert refuse_mixture("here", table) is None  # it raises otherwise


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"commit": "b" * 40}, "2 commits make no table: aaaaaaaaaa, version 0.1.0 ("),
        ({"commit": None}, "2 commits make no table: "),
        ({"entropy": 8}, "2 entropies of random seeds make no table: 7 ("),
        (
            {"world": "x" * 64},
            "2 versions of the environment of content make no table: recgym/Content-v1 of world",
        ),
    ],
)
def test_the_rows_of_a_mixture_are_named(change, what):
    with pytest.raises(ValueError, match="content-dcf-dqn-000-00000000") as caught:
        refuse_mixture("here", rows(**change))
    message = str(caught.value)
    assert message.startswith(f"here: rows of {what}")
    assert "content-random-000-00000000, content-random-001-00000000" in message
    assert "\n" not in message


@pytest.mark.parametrize("part", ["dirty", "version", "arguments", "id"])
def test_changes_versions_and_arguments_count(part):
    mixed = rows()
    if part == "dirty":
        mixed[0]["git"]["dirty"] = True
    elif part == "version":
        mixed[0]["versions"]["recgym"] = "0.2.0"
    elif part == "arguments":
        mixed[0]["env"]["kwargs"] = {"horizon": 3}
    else:
        mixed[0]["env"]["id"] = "recgym/Content-v0"
    with pytest.raises(ValueError, match="make no table"):
        refuse_mixture("here", mixed)


def test_a_report_of_two_commits_writes_nothing(run, tmp_path):
    out = tmp_path / "quick"
    write_run(out, "content", "random", 0)
    write_run(out, "content", "ucb1", 0, commit="b" * 40)
    code, text, err = run("report", tmp_path)
    assert (code, text, err.count("\n")) == (2, "", 1)
    assert f"{out}: rows of 2 commits make no table: {COMMIT[:10]}" in err
    assert not (tmp_path / "README.md").exists()
    shutil.rmtree(out / "content-ucb1-000-00000000")
    write_report(tmp_path)
    assert (tmp_path / "README.md").exists()


@pytest.mark.parametrize(
    ("run", "what"),
    [
        (
            record_of("content", "ucb1", 2, digest="11111111"),
            "seed 2 of ucb1 in content is in 2 rows: content-ucb1-002-00000000, content-ucb1-002-11111111",
        ),
        (
            record_of("content", "ucb1", 3, params={"width": 2.0}),
            "rows of 2 settings of ucb1 in content make no table: ucb1 (3 rows: content-ucb1-000-00000000, "
            "content-ucb1-001-00000000, content-ucb1-002-00000000); "
            'ucb1 {"width": 2.0} (1 row: content-ucb1-003-00000000)',
        ),
        (
            {**record_of("content", "ucb1", 3), "budget": {"env_steps": 9, "offline_rows": 50}},
            "rows of 2 budgets of content make no table: 1,000 environment steps (7 rows: ",
        ),
    ],
)
def test_an_agent_has_one_setting_and_a_seed_one_row(run, what):
    """Of tables that were put together the page showed the one row or the other, and counted both."""
    with pytest.raises(ValueError, match=r"^here: ") as caught:
        refuse_mixture("here", [*rows(), run])
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)
