"""The page and the JSON of measured speed, for `results/speed/`."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recgym.bench.machine import git, host, versions
from recgym.bench.speed import DEVICE_ENVS, NUM_ENVS, Speed
from recgym.jit import MAX_THREADS
from recgym.storage.write import write_files

_ABOUT = """# Speed

Steps per second, written by `recgym speed`; nothing here is written by hand. A step shows one slate to one session.
Actions are drawn before the clock starts; each figure is the best of three windows of {seconds:g} s, of CPU time where
one thread works. "of CartPole" is the ratio to Gymnasium's CartPole-v1 of the same run, both unwrapped; "of its vector"
that to CartPole's native vector of as many environments.

{machine}

"""


class PeerSpeed(NamedTuple):
    """Steps per second of an environment of another library, or why there are none."""

    name: str
    version: str | None
    items: int | None  # N
    slate: int | None  # K
    rate: float | None  # one environment
    why: str = ""  # of None


def speed_record(
    rows: Sequence[Speed], seconds: float, device: str, peers: Iterable[PeerSpeed] = ()
) -> dict[str, Any]:
    """What was measured, with the machine, and the ratios to CartPole, the last of `rows`."""
    cartpole = rows[-1]
    measured = [
        {
            **row._asdict(),
            "of_cartpole": row.single / cartpole.single,
            "of_vector": row.vector / cartpole.vector,
        }
        for row in rows
    ]
    about = {
        "seconds": seconds,
        "device": device,
        "threads": MAX_THREADS,
        "machine": host(),
        "versions": versions(),
        "git": git(),
    }
    return {**about, "rows": measured, "peers": [peer._asdict() for peer in peers]}


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines)) + "\n"


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def speed_page(record: dict[str, Any]) -> str:
    """The page of a record, in Markdown."""
    machine, sha = record["machine"], record["git"]["sha"]
    names = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    where = f"{machine['cpu']} ({machine['cores']} cores), {machine['system']}; {names}; "
    where += f"commit {(sha or 'unknown')[:10]}."
    on_device = record["device"] != "cpu"
    if on_device:
        where += f" Device: {record['device']}, {DEVICE_ENVS:,} sessions."
    head = [
        "environment",
        "items",
        "slate",
        "single",
        "of CartPole",
        f"vector of {NUM_ENVS:,}",
        "of its vector",
    ]
    head += [f"threads: {record['threads']}", *([record["device"]] if on_device else [])]
    lines = []
    for row in record["rows"]:
        cells = [
            row["name"],
            f"{row['items']:,}",
            str(row["slate"]),
            _rate(row["single"]),
            f"{row['of_cartpole']:.2f}",
        ]
        cells += [_rate(row["vector"]), f"{row['of_vector']:.2f}", _rate(row["threaded"])]
        lines.append([*cells, *([_rate(row["on_device"])] if on_device else [])])
    text = _ABOUT.format(seconds=record["seconds"], machine=f"On {where}") + _table(head, lines)
    if record["peers"]:
        text += "\n## Other libraries\n\nOne environment, in the same run, each in a Python environment of its own.\n\n"
        text += _table(("environment", "items", "slate", "single"), map(_peer, record["peers"]))
    return text


def _peer(peer: dict[str, Any]) -> tuple[str, str, str, str]:
    name = peer["name"] + (f" {peer['version']}" if peer["version"] else "")
    sizes = ("" if value is None else f"{value:,}" for value in (peer["items"], peer["slate"]))
    return (name, *sizes, _rate(peer["rate"]) or peer["why"])


def write_speed(folder: str | Path, record: dict[str, Any]) -> None:
    """Write `README.md` and `speed.json` into a folder, which is created if absent."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    write_files(
        {place / "speed.json": json.dumps(record, indent=1) + "\n", place / "README.md": speed_page(record)}
    )
