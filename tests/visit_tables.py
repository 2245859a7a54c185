"""Tables of visits whose items follow popularity alone, and worlds fitted from them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from recgym.fit import FitConfig, fit
from recgym.logs import Log


def visits(rows: int, items: int, seed: int, length: int = 5) -> pd.DataFrame:
    """Rows of visits of `length`, items by a share that falls as 1 / rank."""
    rng = np.random.default_rng(seed)
    session = np.repeat(np.arange(rows // length), length)
    share = 1.0 / np.arange(1, items + 1)
    time = 1_600_000_000 + 7200 * session + 30 * np.tile(np.arange(length), rows // length)
    return pd.DataFrame(
        {
            "user": [f"u{u}" for u in rng.integers(50, size=rows // length)[session]],
            "item": [f"i{i}" for i in rng.choice(items, p=share / share.sum(), size=len(session))],
            "session": session,
            "time": pd.to_datetime(time, unit="s"),
        }
    )


def fitted(frame: pd.DataFrame, domain: str, **settings):
    log = Log.from_pandas(frame, domain=domain)
    return fit(log, name="w", config=FitConfig(bootstrap=20, **settings), progress=False)


def log_with_friends(pairs: int) -> Log:
    """Impressions with and without a listen, of users of two tastes; most friends have the same taste."""
    rng = np.random.default_rng(0)
    user, item = rng.integers(80, size=3_000), rng.integers(30, size=3_000)
    liked = rng.random(3_000) < np.where(user % 2 == item % 2, 0.7, 0.1)
    time = pd.to_datetime(1_600_000_000 + 600 * np.arange(3_000), unit="s")
    frame = pd.DataFrame({"user": [f"{u:02}" for u in user], "item": item, "time": time, "listen": liked})
    log = Log.from_pandas(frame, domain="social")
    ends = rng.integers(80, size=(6 * pairs, 2))
    ends = ends[
        (ends[:, 0] < ends[:, 1]) & ((ends[:, 0] % 2 == ends[:, 1] % 2) | (rng.random(len(ends)) < 0.1))
    ]
    ends = np.unique(ends, axis=0)[:pairs].astype(np.int32)
    return replace(log, friends=pa.table({"user": ends[:, 0], "friend": ends[:, 1]}))
