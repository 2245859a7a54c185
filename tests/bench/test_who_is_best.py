"""The table of README: the reference of the ladder beside the best other agent."""

from normal_runs import run, runs

from recgym.bench.all_environments import aggregate_of
from recgym.bench.leaderboard import tables_of
from recgym.bench.who_is_best import who_is_best
from recgym.evaluate.stats import t_interval

MEANS = {"random": 1.0, "oracle": 2.8, "oracle-plan": 3.0, "dcf-dqn": 2.0, "ucb1": 1.5, "mf": 1.7}


def tables(**changed):
    means = MEANS | {name.replace("_", "-"): mean for name, mean in changed.items()}
    return tables_of(
        "ladder", [run("content", agent, seed, mean) for agent, mean in means.items() for seed in range(10)]
    )


def test_a_row_has_the_paired_difference_to_the_best_that_does_not_read_the_simulator():
    (head, (row,)) = who_is_best(tables(dcf_dqn_myopic=1.9), None)
    cells = dict(zip(head, row, strict=True))
    gains = [
        (run("content", "dcf-dqn", seed, 2.0).returns - run("content", "mf", seed, 1.7).returns).mean()
        for seed in range(10)
    ]
    mean, low, high = t_interval(gains)[:3]
    assert cells["`dcf-dqn` over it"] == f"{mean:+.2f} [{low:+.2f}, {high:+.2f}], above"
    assert cells["best other"].startswith("`mf` 1.")
    assert cells["`oracle-plan`"].startswith(("2.9", "3.0"))
    assert cells["RL adds"].startswith("+0.")


def test_a_row_says_where_the_reference_is_below_or_undecided():
    (_, (below,)) = who_is_best(tables(ucb1=2.5), None)
    assert below[5].startswith("`ucb1`")
    assert below[6].startswith("-0.")
    assert below[6].endswith(", below")
    (_, (undecided,)) = who_is_best(tables(linucb=2.0), None)
    assert undecided[6].endswith(", undecided")


def test_a_reference_with_discount_0_says_so_and_a_missing_agent_leaves_its_cell_empty():
    rows = [run("content", agent, seed, mean) for agent, mean in MEANS.items() for seed in range(10)]
    kept = [each for each in rows if each.record["agent"]["name"] != "oracle"]
    for each in kept:
        if each.record["agent"]["name"] == "dcf-dqn":
            each.record["agent"]["params"] = {"discount": 0.0}
    (head, (row,)) = who_is_best(tables_of("ladder", kept), None)
    cells = dict(zip(head, row, strict=True))
    assert cells["`oracle`"] == ""
    assert cells["RL adds"] == "discount 0"


def test_a_table_that_is_not_ranked_has_no_decision():
    few = [run("content", agent, seed, mean) for agent, mean in MEANS.items() for seed in range(3)]
    (_, (row,)) = who_is_best(tables_of("ladder", few), None)
    assert row[6].startswith("+0.")
    assert row[6].endswith("]")


def test_the_last_row_has_the_scores_over_all_environments():
    rows = runs()
    found = aggregate_of(rows, "dcf-dqn")
    (_, (*_, last)) = who_is_best(tables_of("ladder", rows), found)
    iqm = {row.agent: row.iqm.mean for row in found.rows}
    ours, best = iqm["dcf-dqn"], iqm["linucb"]
    assert last[:6] == ("all: score", "0", "", "1", f"{ours:.2f}", f"`linucb` {best:.2f}")
    assert last[6].startswith("probability of improvement 0.")
