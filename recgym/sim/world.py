"""A World: the frozen arrays fitted from a Log, and the card that says what they are worth.

Axes: U users, N items, d factors, C categories, P pages, E events, X contexts, F public user features, K slate
positions, T steps and R run lengths of the leaving tables (their last entry serves all that is longer),
W pieces and Q quantiles of watch time.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recgym import storage
from recgym.arrays import Floats
from recgym.events import EVENTS, Event
from recgym.sim.schema import (
    ARRAY_SPANS,
    CHOICES,
    FRIENDS,
    LAYOUT,
    PARAM_INDEX,
    PARAMS,
    WATCH_EDGES_MS,
    WorldArrays,
)

IDS = "ids.json"  # beside a world of one's own: the log's id of every user and item
MEMBERS = "members"  # folder of a world's folder: its bootstrap worlds, by number
_SCHEMA = "recgym.world/1"
_MOST_IDS = 256 << 20  # [bytes] of ids.json
_NAMES = ("categories", "contexts", "user_feature_names")
_ABOUT = {"name": str, "domain": str, "events": list, **dict.fromkeys(_NAMES, list), "card": dict}
_CDFS = ("user_cdf", "context_cdf")
_GRAPH = ("friend_start", "friend", "library", "kin")


def _no_graph(users: int) -> dict[str, NDArray[Any]]:
    """What stands for a graph where a world has none."""
    return dict(
        zip(_GRAPH, (np.zeros(1), np.zeros(1), np.full((users, 1), -1), np.zeros((users, 1))), strict=True)
    )


def _normalise(arrays: Mapping[str, NDArray[Any]], sizes: dict[str, int]) -> WorldArrays:
    """One layout, type and writability for every world, values rounded as they are stored; ValueError by name."""
    if missing := [name for name in LAYOUT if name not in arrays and name not in _GRAPH]:
        raise ValueError(f"world lacks {', '.join(missing)}")
    if unknown := sorted(set(arrays) - set(LAYOUT)):
        raise ValueError(f"world has unknown arrays: {', '.join(unknown)}")
    fields = {}
    arrays = {**_no_graph(len(arrays["profile"])), **arrays}
    for name, layout in LAYOUT.items():
        value = np.asarray(arrays[name])
        if value.ndim != len(layout.axes):
            raise ValueError(
                f"world array {name} has shape {value.shape}, expected axes ({', '.join(layout.axes)})"
            )
        for axis, size in zip(layout.axes, value.shape, strict=True):
            expected = int(axis) if axis.isdigit() else sizes.setdefault(axis, size)
            if size != expected or size == 0:
                raise ValueError(
                    f"world array {name}: axis {axis} has size {size}, expected {expected or 'at least 1'}"
                )
        with np.errstate(invalid="ignore", over="ignore"):
            stored = value.astype(layout.stored)
        if stored.dtype.kind == "i" and np.any(stored != value):
            raise ValueError(f"world array {name} holds a number that {stored.dtype} cannot hold")
        value = np.array(stored.astype(layout.dtype), order="C")
        if not np.all(np.isfinite(value)):
            raise ValueError(f"world array {name} holds a number that is not finite")
        fields[name] = value
    return WorldArrays(**fields)


def _check_spans(arrays: WorldArrays) -> None:
    """ValueError that names a parameter or an array whose numbers are not as documented."""
    for param, value in zip(PARAMS, arrays.params, strict=True):
        if not param.span.holds(value):
            raise ValueError(f"world parameter {param.name} is {value:g}, expected a number {param.span}")
    for name, span in ARRAY_SPANS.items():
        values = getattr(arrays, name)
        if not span.holds(values):
            low, high = values.min(), values.max()
            raise ValueError(f"world array {name} has numbers from {low:g} to {high:g}, expected all {span}")
    if np.any(np.diff(arrays.watch_quantiles, axis=1) < 0):
        raise ValueError("world array watch_quantiles falls along a row")
    if np.any(np.diff(arrays.exposure) > 1e-12):
        raise ValueError("world items are not ordered by exposure, most shown first")
    if abs(arrays.exposure.sum() - 1.0) > 1e-6:
        raise ValueError(f"world array exposure has the sum {arrays.exposure.sum():.9g}, expected 1")


def _check(arrays: WorldArrays, num_categories: int, num_events: int) -> None:
    """Ranges that a kernel relies on (it checks no bounds)."""
    for name in _CDFS:
        cdf = getattr(arrays, name)
        if np.any(np.diff(cdf) < 0) or cdf[0] < 0 or abs(cdf[-1] - 1.0) > 1e-9:
            raise ValueError(f"world array {name} is not a cumulative distribution that ends at 1")
    if arrays.category.min() < 0 or arrays.category.max() >= num_categories:
        raise ValueError(f"world array category leaves [0, {num_categories})")
    if arrays.page.min() < 0:
        raise ValueError("world array page holds a negative number")
    needs = arrays.event_needs
    if np.any(needs >= np.arange(num_events)) or needs.min() < -1 or needs.max() > 1:
        raise ValueError("world array event_needs must name an earlier event, 0 or 1, or be -1")
    if arrays.watch[0] and (num_events < 2 or arrays.duration.min() <= 0):
        raise ValueError(
            "a world with watch time needs click and long_view first and a positive duration of every item"
        )
    rows = arrays.watch_quantiles.shape[0]
    if rows % 3 or rows > 3 * (len(WATCH_EDGES_MS) + 1):
        raise ValueError(f"world array watch_quantiles has {rows} rows, expected three a group of durations")


class Ids(NamedTuple):
    """A log's own ids of a world's users and items."""

    users: tuple[str, ...]  # (U,)
    items: tuple[
        str, ...
    ]  # (N,) and, where the world was cut, those of the items that are left out; (): none


def _check_ids(ids: Ids, num_users: int, num_items: int) -> None:
    """One text an index, none twice."""
    for what, texts, size in (("user", ids.users, num_users), ("item", ids.items, num_items)):
        is_whole = len(texts) == size or (what == "item" and (len(texts) > size or not texts))
        if not is_whole or len(set(texts)) != len(texts) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{what} ids must be {size} different texts, one for each {what} of the world")


def _read_ids(stored: storage.Stored) -> Ids | None:
    """What `World.save` wrote of ids; ValueError where the file is broken."""
    place = stored.folder / IDS
    if not place.exists():
        return None
    about = stored.json(IDS, {"schema": str, "users": list, "items": list}, most=_MOST_IDS)
    if about["schema"] != "recgym.ids/1":
        raise ValueError(f"{place} is broken: expected the schema recgym.ids/1 with lists of users and items")
    if not all(isinstance(text, str) for text in (*about["users"], *about["items"])):
        raise ValueError(f"{place} is broken: ids must be texts")
    return Ids(tuple(about["users"]), tuple(about["items"]))


def _check_kind(arrays: WorldArrays, domain: str) -> None:
    """Which model of the session is meant."""
    if arrays.choice[0] not in range(len(CHOICES)) or arrays.watch[0] not in (0, 1):
        raise ValueError("world arrays choice and watch must be 0, 1 or 2, and 0 or 1")
    if (arrays.choice[0] == FRIENDS) != (domain == "friends"):
        raise ValueError(f"world array choice is {arrays.choice[0]}, which is not of the domain {domain}")


def _check_graph(arrays: WorldArrays) -> None:
    """Friends both ways, ascending; libraries ascending."""
    start, friend, users = arrays.friend_start, arrays.friend, len(arrays.profile)
    if len(start) != users + 1 or start[0] != 0 or start[-1] != len(friend) or np.any(np.diff(start) < 0):
        raise ValueError(f"world array friend_start must rise from 0 to {len(friend)} over {users} users")
    owner = np.repeat(np.arange(users), np.diff(start))
    code = owner * users + friend
    if friend.min() < 0 or friend.max() >= users or np.any(np.diff(code) <= 0) or np.any(owner == friend):
        raise ValueError("world array friend must list each user's friends, other users, once and ascending")
    if np.any(np.sort(friend.astype(np.int64) * users + owner) != code):
        raise ValueError("world array friend must be mutual")
    if np.any(np.diff(arrays.library, axis=1) < 0) or arrays.library.min() < -1:
        raise ValueError(
            "world array library must rise along each user's row, from -1 where there is nothing"
        )


@dataclass(frozen=True)
class World:
    """Frozen arrays, the names behind their indices, and the card.

    Build one with `World.build`, `World.load` or `synthetic`. `user_features` (U, F) in [-1, 1] and the item table
    are public; all else is known to the simulator alone.
    """

    name: str
    domain: str
    events: tuple[Event, ...]
    categories: tuple[str, ...]  # (C,)
    contexts: tuple[str, ...]  # (X,), hours are named "0" ... "23"
    user_feature_names: tuple[str, ...]  # (F,)
    user_features: Floats  # (U, F) in [-1, 1]
    arrays: WorldArrays
    card: dict[str, Any]
    ids: Ids | None = None  # of the log that it was fitted on; never of a world that ships
    origin: str = ""  # index_digest of the world that this one was cut or changed from

    @classmethod
    def build(
        cls,
        name: str,
        domain: str,
        arrays: Mapping[str, NDArray[Any]],
        *,
        categories: tuple[str, ...],
        contexts: tuple[str, ...] = ("any",),
        user_feature_names: tuple[str, ...] = (),
        user_features: NDArray[Any] | None = None,
        card: dict[str, Any] | None = None,
        ids: Ids | None = None,
        origin: str = "",
    ) -> "World":
        """Check and normalise; `params` may be a mapping under the key "params" built by `params(...)`."""
        if domain not in EVENTS:
            raise ValueError(f"domain {domain!r} is unknown; there are {', '.join(EVENTS)}")
        events = EVENTS[domain]
        sizes = {"params": len(PARAMS), "E": len(events), "X": len(contexts), "C": len(categories)}
        checked = _normalise(arrays, sizes)
        _check_kind(checked, domain)
        _check_spans(checked)
        _check(checked, len(categories), len(events))
        if len(checked.friend_start) > 1:
            _check_graph(checked)
        features = np.zeros((sizes["U"], 0)) if user_features is None else np.asarray(user_features)
        if features.shape != (sizes["U"], len(user_feature_names)):
            raise ValueError(
                f"user_features has shape {features.shape}, expected ({sizes['U']}, {len(user_feature_names)})"
            )
        public: Floats = features.astype(np.float16).astype(np.float32)
        if public.size and (not np.all(np.isfinite(features)) or np.abs(public).max() > 1):
            raise ValueError("user_features leave [-1, 1]")
        if ids is not None:
            _check_ids(ids, sizes["U"], sizes["N"])
        return cls(
            name, domain, events, categories, contexts, user_feature_names, public, checked, card or {}, ids, origin,
        )  # fmt: skip

    def __repr__(self) -> str:
        """One line: the arrays would fill pages of an error message."""
        return f"World({self.name!r}, {self.domain!r}, {self.num_users} users, {self.num_items} items)"

    @property
    def num_users(self) -> int:
        """U."""
        return int(self.arrays.profile.shape[0])

    @property
    def num_items(self) -> int:
        """N."""
        return int(self.arrays.factors.shape[0])

    @property
    def num_factors(self) -> int:
        """Width of the hidden intent, d."""
        return int(self.arrays.factors.shape[1])

    @property
    def params(self) -> dict[str, float]:
        """The numbers of the session model by name."""
        return {param.name: float(self.arrays.params[i]) for i, param in enumerate(PARAMS)}

    @property
    def assumed_events(self) -> frozenset[str]:
        """Events that the card does not call fitted: a reward that pays for one rests on assumed numbers."""
        rows = (row for row in self.card.get("terms", ()) if row["term"].startswith("event:"))
        return frozenset(row["term"].removeprefix("event:") for row in rows if row["status"] != "fitted")

    @property
    def has_graph(self) -> bool:
        """Whether it says who befriends whom."""
        return len(self.arrays.friend_start) > 1

    def item_label(self, item: int) -> str:
        """A made-up label: category and number, never a name from the log."""
        return f"{self.categories[self.arrays.category[item]]} {item}"

    @cached_property
    def sha256(self) -> str:
        """Digest of all that moves the simulation: arrays as stored, public features, names; not the card."""
        digest = hashlib.sha256()
        for name, array in sorted(self._stored().items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(array.tobytes())
        digest.update(json.dumps([self.domain, self.categories, self.contexts]).encode())
        return digest.hexdigest()

    @property
    def user_ids(self) -> tuple[str, ...] | None:
        """(U,) ids of the fitted log; None where they are not kept."""
        return None if self.ids is None else self.ids.users

    @property
    def item_ids(self) -> tuple[str, ...] | None:
        """(N,) ids of the fitted log; None where they are not kept."""
        return None if self.ids is None or not self.ids.items else self.ids.items[: self.num_items]

    @cached_property
    def index_digest(self) -> str:
        """Digest of what user and item indices stand for: that of the fitted log's rows, else of the world itself.

        A cut or changed copy keeps it, and so do worlds fitted on the same rows of the same log.
        """
        if "identity" in self.card:
            facts = json.dumps([self.domain, self.card["identity"]], sort_keys=True)
            return hashlib.sha256(facts.encode()).hexdigest()
        return self.origin or self.sha256

    def index_log(self, log: Any) -> Any:
        """A `recgym.logs.Log` of this world's users and items, put on the world's indices: what agents learn from.

        Returns:
            The log marked `indexed_by` this world, with `context_index` where the world has contexts. Rows whose
            user or item the world does not know are left out; its remarks count them.

        Raises:
            ValueError: the log is another one's, with what differs (`recgym.sim.world_index`).
        """
        from recgym.sim.world_index import index_log

        return index_log(self, log)

    def with_params(self, **changes: float) -> "World":
        """The same world with other numbers in its session model; ValueError for an unknown name."""
        values = self.arrays.params.copy()
        for name, value in changes.items():
            if name not in PARAM_INDEX:
                raise ValueError(f"parameter {name!r} is unknown; there are {', '.join(PARAM_INDEX)}")
            values[PARAM_INDEX[name]] = value
        return self.with_arrays(params=values)

    def with_arrays(self, **changes: NDArray[Any]) -> "World":
        """The same world with some arrays replaced, checked again."""
        return World.build(
            self.name,
            self.domain,
            {**self.arrays._asdict(), **changes},
            categories=self.categories,
            contexts=self.contexts,
            user_feature_names=self.user_feature_names,
            user_features=self.user_features,
            card=self.card,
            ids=self.ids,
            origin=self.index_digest,
        )

    def subset(self, num_items: int) -> "World":
        """The world with its `num_items` most shown items."""
        if not 1 <= num_items <= self.num_items:
            raise ValueError(f"n_items is {num_items}, world {self.name} allows 1 to {self.num_items}")
        if num_items == self.num_items:
            return self
        cut = {
            name: getattr(self.arrays, name)[:num_items]
            for name, spec in LAYOUT.items()
            if spec.axes[0] == "N"
        }
        cut["exposure"] = cut["exposure"] / cut["exposure"].sum()
        return self.with_arrays(**cut)

    def with_card(self, **entries: Any) -> "World":
        """The same world with entries of the card added or replaced."""
        return replace(self, card={**self.card, **entries})

    def _stored(self) -> dict[str, NDArray[Any]]:
        stored = {name: getattr(self.arrays, name).astype(layout.stored) for name, layout in LAYOUT.items()}
        return {**stored, "user_features": self.user_features.astype(np.float16)}

    def save(self, folder: str | Path, members: Sequence["World"] = ()) -> Path:
        """Write the world and its ensemble's members, whole or not at all; a world that is there is replaced.

        With it goes its ensemble. Of a world with ids, ids.json too: which user and item of its log each index is.
        Other files in the folder (a licence) are kept. ValueError where `folder` is a file.
        """
        with storage.whole_folder(folder, drop=(MEMBERS, IDS)) as work:
            self._write(work)
            for number, member in enumerate(members, start=1):
                inner = work / MEMBERS / str(number)
                inner.mkdir(parents=True)
                member._write(inner)
                storage.write_manifest(inner)
        return Path(folder)

    def _write(self, folder: Path) -> None:
        """The world's two files, into a folder that is not whole yet."""
        about = {
            "schema": _SCHEMA,
            "name": self.name,
            "domain": self.domain,
            "events": [event.name for event in self.events],
            "categories": self.categories,
            "contexts": self.contexts,
            "user_feature_names": self.user_feature_names,
            "card": self.card,
            **({"origin": self.origin} if self.origin else {}),
        }
        storage.write_arrays(folder / "world.safetensors", self._stored())
        storage.write_json(folder / "world.json", about)
        if self.ids is not None:
            ids = {"schema": "recgym.ids/1", **self.ids._asdict()}
            storage.write_json(folder / IDS, ids, indent=None)

    @classmethod
    def load(cls, folder: str | Path) -> "World":
        """Read what `save` wrote; ValueError names the file that is missing or broken."""
        stored = storage.Stored(folder, "world")
        place = stored.folder / "world.json"
        about = stored.json("world.json")
        if about.get("schema") != _SCHEMA:
            raise ValueError(f"{place}: schema is {str(about.get('schema'))[:60]!r}, expected {_SCHEMA!r}")
        storage.check_keys(about, _ABOUT, place)
        for key in ("events", *_NAMES):
            if not all(isinstance(name, str) for name in about[key]):
                raise ValueError(f"{place}: {key} holds something that is no name")
        arrays = stored.arrays("world.safetensors")
        ids = _read_ids(stored)
        with storage.refusing(stored.folder):
            return cls._of_file(about, arrays, ids)

    @classmethod
    def _of_file(cls, about: dict[str, Any], arrays: dict[str, NDArray[Any]], ids: Ids | None) -> "World":
        kinds = {name: np.dtype(layout.stored) for name, layout in LAYOUT.items()}
        for name, kind in {**kinds, "user_features": np.dtype(np.float16)}.items():
            if name in arrays and arrays[name].dtype != kind:
                raise ValueError(f"world array {name} is of {arrays[name].dtype}, expected {kind}")
        if "user_features" not in arrays:
            raise ValueError("world lacks user_features")
        world = cls.build(
            about["name"],
            about["domain"],
            {name: array for name, array in arrays.items() if name != "user_features"},
            **{key: tuple(about[key]) for key in _NAMES},
            user_features=arrays["user_features"],
            card=about["card"],
            ids=ids,
            origin=str(about.get("origin", "")),
        )
        if about["events"] != [event.name for event in world.events]:
            raise ValueError(f"world has the events {about['events']}, its domain has others")
        return world
