"""The stages of `recgym fit`: the world, its ensemble, the worth of planning. Each is stored when it is complete.

A fit that is stopped after the first stage leaves the world in its folder, with an entry "unfinished" on the card. The
same command on the same log resumes it, with the same result as an uninterrupted fit.
"""

import hashlib
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from recgym import storage
from recgym.bench.planning import Begun
from recgym.envs.world_lookup import load_member
from recgym.sim.world import MEMBERS, World

UNFINISHED = "unfinished"  # entry of a card: digest of the log, and the stages that are left


def command_line(options: dict[str, Any]) -> str:
    """The command line of a fit, as its card keeps it."""
    words = (
        f"--{key}" if value is True else f"--{key} {shlex.quote(str(value))}"
        for key, value in options.items()
        if value is not None
    )
    return f"recgym fit LOG {' '.join(words)}"


def log_digest(log: Any) -> str:
    """SHA-256 of a log's rows and ids."""
    import pyarrow as pa

    digest = hashlib.sha256()

    class Sink:
        closed = False

        def write(self, data: Any) -> int:
            digest.update(data)
            return len(data)

        def flush(self) -> None:
            pass

    for table in (log.rows, log.users, log.items):
        plain = table.combine_chunks().replace_schema_metadata(None)
        with pa.ipc.new_stream(pa.PythonFile(Sink(), "w"), plain.schema) as stream:
            stream.write_table(plain)
    return digest.hexdigest()


def unfinished_world(out: Path, command: str, *, is_replaced: bool) -> World | None:
    """The world that a stopped fit by this command left in `out`, or None.

    ValueError where `out` holds something else, or a complete world that is not to be replaced.
    """
    if storage.is_vacant(out):
        return None
    if not (out / "world.json").is_file():
        raise ValueError(f"--out {out}: exists and holds no world; name another folder")
    try:
        world = World.load(out)
    except ValueError:
        world = None
    left = None if world is None else world.card.get(UNFINISHED)
    if world is not None and isinstance(left, dict) and world.card.get("command") == command:
        return world
    if not is_replaced:
        raise ValueError(f"--out {out}: holds a world; name another folder, or say --replace")
    return None


def finish(
    out: Path,
    world: World | None,
    make: Callable[[int], World],
    worth: Callable[[World, Begun], dict[str, Any]] | None,
    *,
    digest: str,
    ensemble: int,
) -> World:
    """Completes a fit and writes it to `out`; ValueError where it was begun with another log.

    Args:
        out: folder of the world.
        world: the result of `unfinished_world`.
        make: fits the world, `make(0)`, and member n of its ensemble, `make(n)`.
        worth: computes the worth of planning in a world, from sessions that a stopped fit kept; None: not computed.
        digest: of the log.
        ensemble: number of members.
    """
    left = ["ensemble"] * (ensemble > 0) + ["planning"] * (worth is not None)
    members: list[World] = []

    def keep(world: World, played: dict[str, Any] | None = None) -> None:
        note = {"log": digest, "left": left} | ({"played": played} if played else {})
        world.with_card(**({UNFINISHED: note} if left else {})).save(out, members)
        if left and not played:
            print(
                f"wrote {out}; now its {' and '.join(left)} (if stopped, the same command resumes)",
                file=sys.stderr,
            )

    played: dict[str, Any] = {}
    if world is None:
        keep(world := make(0))
    else:
        world, played = _resumed(out, world, digest)
        if (out / MEMBERS).is_dir():
            members = [load_member(out, number) for number in range(1, ensemble + 1)]
            left.remove("ensemble")
        done = f", of which {len(played[''][0]):,} sessions are played" if played.get("") else ""
        print(f"{out}: fitted already; now its {' and '.join(left)}{done}", file=sys.stderr)
    if "ensemble" in left:
        members = [make(number) for number in range(1, ensemble + 1)]
        left.remove("ensemble")
        keep(world)
    if worth is not None:
        fitted = world
        world = world.with_card(planning=worth(world, Begun(played, lambda known: keep(fitted, known))))
        left.remove("planning")
        keep(world)
    return world


def _resumed(out: Path, world: World, digest: str) -> tuple[World, dict[str, Any]]:
    """The world without the entry "unfinished", and the sessions it keeps; ValueError where it names another log."""
    card = dict(world.card)
    note = card.pop(UNFINISHED)
    if note.get("log") != digest:
        raise ValueError(f"--out {out}: holds a world begun with another log; name another folder")
    return replace(world, card=card), note.get("played", {})
