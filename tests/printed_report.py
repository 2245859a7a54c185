"""A report on stdout."""

from recgym.bench.leaderboard import Leaderboard, Row
from recgym.cli.results import print_report
from recgym.evaluate.stats import Interval

AGENTS = ("random", "dcf-dqn", "sb3-maskable-ppo", "sb3-dqn+deep-cf")


def report():
    """A report as `recgym bench` prints it."""
    interval = Interval(1.234567, 0.98, 1.49, 0.1, 10)
    rows = tuple(
        Row(name, 10, interval, interval, interval, None, 5.0, 0.25, 0.5, 0.3, 12.0) for name in AGENTS
    )
    env = "recgym/EcommerceSlate-v1"
    table = Leaderboard(
        "ladder",
        "ecommerce-slate",
        env,
        "ecommerce-1",
        1,
        2,
        10,
        rows,
        interval,
        None,
        True,
        reference="dcf-dqn",
    )

    class Results:
        tables = {"ladder": [table]}  # noqa: RUF012
        stability = {"ladder": []}  # noqa: RUF012
        aggregate = {"ladder": None}  # noqa: RUF012
        failed = {"ladder": [{"run_id": "x", "error": "no [bold]room[/bold]"}]}  # noqa: RUF012

    print_report(Results())
