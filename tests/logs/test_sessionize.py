"""Sessions, steps and joins, against loops."""

import numpy as np
import pandas as pd

from recgym.logs import Log
from recgym.logs.sessionize import join_actions, merged, number_steps


def test_steps_and_joins_against_loops():
    rng = np.random.default_rng(1)
    session = np.sort(rng.integers(0, 40, 600))
    slate = rng.integers(-1, 3, 600)
    expected, known = [], {}
    for k, (visit, page) in enumerate(zip(session.tolist(), slate.tolist(), strict=True)):
        steps = known.setdefault(visit, {})
        expected.append(steps.setdefault(page if page >= 0 else ("alone", k), len(steps)))
    assert number_steps(session, slate).tolist() == expected

    item = rng.integers(0, 4, 600)
    flags = np.stack([np.ones(600, bool), rng.random(600) < 0.3, rng.random(600) < 0.1], axis=1)
    flags[:, 1] |= flags[:, 2]
    rows, joined = merged(join_actions(session, item, flags), flags)
    kept: list[list] = []  # [session, item, run, events beyond the first that the row has, row, flags]
    run: dict = {}
    for k in range(600):
        key, kind = (session[k], item[k]), int(flags[k].nonzero()[0].max())
        if kind == 0 or key not in run:
            run[key] = []
        group = run[key]
        free = next((row for row in group if kind not in row["kinds"]), None)
        if free is None:
            free = {"row": k, "kinds": set(), "flags": np.zeros(3, bool)}
            group.append(free)
            kept.append([free])
        free["kinds"].add(kind)
        free["flags"] |= flags[k]
    order = sorted((entry[0] for entry in kept), key=lambda entry: entry["row"])
    assert rows.tolist() == [entry["row"] for entry in order]
    np.testing.assert_array_equal(joined, [entry["flags"] for entry in order])


def test_sessions_of_one_row_are_remarked_where_a_gap_made_them():
    days = 86_400 * np.repeat(np.arange(100), [1] * 95 + [3] * 5)
    frame = pd.DataFrame(
        {
            "user": "u",
            "item": np.arange(110) % 7,
            "time": 1_600_000_000 + days,
            "rating": 3 + np.arange(110) % 3,
        }
    )

    def remarked(frame):
        return [
            line
            for line in Log.from_pandas(frame, domain="content").remarks
            if "sessions have one row" in line
        ]

    assert remarked(frame) == [
        "frame: 95 of 100 sessions have one row, as they end after 30 minutes without one: the log does not show when "
        "users leave; session=COLUMN in the map, such as that of the user, states others"
    ]
    assert remarked(frame.assign(session=frame["user"])) == []
    assert remarked(frame[15:]) == []
