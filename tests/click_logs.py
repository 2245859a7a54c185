"""Logs of clicks with a known world."""

import numpy as np

from recgym.logs import Log


def click_log(seed=0, visits=2500) -> tuple[Log, dict[str, float]]:
    """Clicks of a shop with three pages of six items and known numbers."""
    rng = np.random.default_rng(seed)
    truth = {"rho": -1.2, "time": -0.4, "run": -0.3, "repeat": 0.8}
    bias, push = rng.normal(0, 0.8, 18), rng.normal(0, 0.8, (18, 2))
    factors, leave = rng.normal(0, 0.8, (18, 2)), rng.normal(0, 0.6, 18)
    category = np.arange(18) // 6
    rows = []
    for visit in range(visits):
        z, seen, run, last, page = np.zeros(2), set(), 0, -1, rng.integers(3)
        for step in range(30):
            page = page if rng.random() < 0.7 else rng.integers(3)
            on_page = np.flatnonzero(category == page)
            x = factors[on_page] @ z + bias[on_page] + truth["rho"] * np.isin(on_page, list(seen))
            item = int(rng.choice(on_page, p=np.exp(x) / np.exp(x).sum()))
            run = run + 1 if page == last else 1
            logit = -0.8 + truth["time"] * np.log(2 + step) + truth["run"] * np.log(run) + leave[item]
            logit += truth["repeat"] * (item in seen)
            rows.append((visit, step, item))
            z, last = 0.7 * (z + push[item]), page
            seen.add(item)
            if rng.random() < 1 / (1 + np.exp(-logit)):
                break
    session, step, item = np.array(rows).T
    import pyarrow as pa

    log = Log.build(
        {
            "user": session % 3,
            "item": item,
            "session": session,
            "step": step,
            "click": np.ones(len(item), bool),
        },
        users=pa.table({"id": ["a", "b", "c"]}),
        items=pa.table({"id": [str(i) for i in range(18)], "category": [f"c{c}" for c in category]}),
        domain="ecommerce",
        source=plain_source(),
    )
    return log, truth | {"leave": leave}


def plain_source():
    from recgym.logs import Source

    return Source("test", "none", "none")
