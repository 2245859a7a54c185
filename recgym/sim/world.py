"""A world: the arrays of the session model fitted to a log, and the card with their provenance.

Axes: U users, N items, C categories, X contexts, F public user features, d factors. The axes of the arrays are in
`recgym.sim.schema`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from recgym import storage
from recgym.arrays import Floats
from recgym.events import EVENTS, Event
from recgym.sim.schema import LAYOUT, PARAM_INDEX, PARAMS, WorldArrays
from recgym.sim.world_checks import check_arrays, normalise_arrays
from recgym.sim.world_ids import IDS, Ids, check_ids, read_ids, write_ids
from recgym.sim.world_metadata import DEFAULT_METADATA, WorldMetadata, public_features

MEMBERS = "members"  # folder of bootstrap worlds, by number, in the folder of a world
_SCHEMA = "recgym.world/1"
_NAMES = ("categories", "contexts", "user_feature_names")
_ABOUT = {"name": str, "domain": str, "events": list, **dict.fromkeys(_NAMES, list), "card": dict}


@dataclass(frozen=True)
class World:
    """Arrays of the session model, the names of their indices, and the card.

    Made by `World.build`, `World.load` or `synthetic`. `user_features` and the item table are public; all other arrays
    are hidden from agents.
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
    ids: Ids | None = None  # of the log that it was fitted on; None for shipped worlds
    origin: str = ""  # index_digest of the world that this one is a cut or changed copy of

    @classmethod
    def build(
        cls,
        name: str,
        domain: str,
        arrays: Mapping[str, NDArray[Any]],
        **about: Unpack[WorldMetadata],
    ) -> "World":
        """Check and normalise the arrays.

        Args:
            name: of the world.
            domain: a key of `recgym.events.EVENTS`.
            arrays: by name of `WorldArrays`; those of the graph may be absent. "params" is made by `schema.params`.
            **about: fields of `WorldMetadata`; `categories` is required.

        Raises:
            ValueError: an array, feature or id is not as documented; the message names it.
        """
        about = {**DEFAULT_METADATA, **about}
        if domain not in EVENTS:
            raise ValueError(f"domain {domain!r} is unknown; there are {', '.join(EVENTS)}")
        events = EVENTS[domain]
        categories, contexts = about["categories"], about["contexts"]
        sizes = {"params": len(PARAMS), "E": len(events), "X": len(contexts), "C": len(categories)}
        checked = normalise_arrays(arrays, sizes)
        check_arrays(checked, domain, len(categories), len(events))
        features = public_features(about["user_features"], sizes["U"], len(about["user_feature_names"]))
        if about["ids"] is not None:
            check_ids(about["ids"], sizes["U"], sizes["N"])
        return cls(
            name, domain, events, categories, contexts, about["user_feature_names"], features, checked,
            about["card"] or {}, about["ids"], about["origin"],
        )  # fmt: skip

    def __repr__(self) -> str:
        """One line with the sizes, for error messages."""
        return f"World({self.name!r}, {self.domain!r}, {self.num_users} users, {self.num_items} items)"

    @property
    def num_users(self) -> int:
        """Number of users, U."""
        return int(self.arrays.profile.shape[0])

    @property
    def num_items(self) -> int:
        """Number of items, N."""
        return int(self.arrays.factors.shape[0])

    @property
    def num_factors(self) -> int:
        """Dimension of the intent, d."""
        return int(self.arrays.factors.shape[1])

    @property
    def params(self) -> dict[str, float]:
        """Numbers of the session model by name."""
        return {param.name: float(self.arrays.params[i]) for i, param in enumerate(PARAMS)}

    @property
    def assumed_events(self) -> frozenset[str]:
        """Events whose term in the card is not `fitted`: a reward that pays for one depends on assumed terms."""
        rows = (row for row in self.card.get("terms", ()) if row["term"].startswith("event:"))
        return frozenset(row["term"].removeprefix("event:") for row in rows if row["status"] != "fitted")

    @property
    def has_graph(self) -> bool:
        """Whether the world has a graph of friends."""
        return len(self.arrays.friend_start) > 1

    def item_label(self, item: int) -> str:
        """Category and index of an item; it is no name from the log."""
        return f"{self.categories[self.arrays.category[item]]} {item}"

    @cached_property
    def sha256(self) -> str:
        """Digest of all that the simulation depends on: arrays as stored, public features, names; not the card."""
        digest = hashlib.sha256()
        for name, array in sorted(self._stored().items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(array.tobytes())
        digest.update(json.dumps([self.domain, self.categories, self.contexts]).encode())
        return digest.hexdigest()

    @property
    def user_ids(self) -> tuple[str, ...] | None:
        """(U,) ids of the users in the fitted log; None if the world has none."""
        return None if self.ids is None else self.ids.users

    @property
    def item_ids(self) -> tuple[str, ...] | None:
        """(N,) ids of the items in the fitted log; None if the world has none."""
        return None if self.ids is None or not self.ids.items else self.ids.items[: self.num_items]

    @cached_property
    def index_digest(self) -> str:
        """Digest of the meaning of user and item indices: that of the fitted log's rows, else of the world itself.

        It is the same for a cut or changed copy, and for worlds that are fitted on the same rows of one log.
        """
        if "identity" in self.card:
            facts = json.dumps([self.domain, self.card["identity"]], sort_keys=True)
            return hashlib.sha256(facts.encode()).hexdigest()
        return self.origin or self.sha256

    def index_log(self, log: Any) -> Any:
        """Map a `recgym.logs.Log` of this world's users and items onto the indices of the world.

        Returns:
            The log marked `indexed_by` this world, with `context_index` if the world has contexts. Rows with a user or
            item that is not in the world are left out; the log's remarks give their number.

        Raises:
            ValueError: the log is of other users or items; the message says what differs (`recgym.sim.world_index`).
        """
        from recgym.sim.world_index import index_log

        return index_log(self, log)

    def with_params(self, **changes: float) -> "World":
        """A copy with other numbers in the session model; ValueError for an unknown name."""
        values = self.arrays.params.copy()
        for name, value in changes.items():
            if name not in PARAM_INDEX:
                raise ValueError(f"parameter {name!r} is unknown; there are {', '.join(PARAM_INDEX)}")
            values[PARAM_INDEX[name]] = value
        return self.with_arrays(params=values)

    def with_arrays(self, **changes: NDArray[Any]) -> "World":
        """A copy with some arrays replaced, and checked again."""
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
        """A copy with the `num_items` most exposed items; ValueError if there are fewer."""
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
        """A copy with entries of the card added or replaced."""
        return replace(self, card={**self.card, **entries})

    def _stored(self) -> dict[str, NDArray[Any]]:
        stored = {name: getattr(self.arrays, name).astype(layout.stored) for name, layout in LAYOUT.items()}
        return {**stored, "user_features": self.user_features.astype(np.float16)}

    def save(self, folder: str | Path, members: Sequence["World"] = ()) -> Path:
        """Write the world and the members of its ensemble, completely or not at all.

        A world in the folder is replaced together with its ensemble; other files (a licence) are kept. A world with ids
        also has ids.json, the ids of its users and items in the log.

        Raises:
            ValueError: `folder` is a file.
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
        """Write the files of the world into a folder that is not complete yet."""
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
            write_ids(folder, self.ids)

    @classmethod
    def load(cls, folder: str | Path) -> "World":
        """Read a world that `save` wrote; ValueError names the file that is missing or broken."""
        stored = storage.Stored(folder, "world")
        place = stored.folder / "world.json"
        about = stored.json("world.json")
        if about.get("schema") != _SCHEMA:
            raise ValueError(f"{place}: schema is {str(about.get('schema'))[:60]!r}, expected {_SCHEMA!r}")
        storage.check_keys(about, _ABOUT, place)
        for key in ("events", *_NAMES):
            if not all(isinstance(name, str) for name in about[key]):
                raise ValueError(f"{place}: {key} holds a value that is not a text")
        arrays = stored.arrays("world.safetensors")
        ids = read_ids(stored)
        with storage.refusing(stored.folder):
            return cls._from_file(about, arrays, ids)

    @classmethod
    def _from_file(cls, about: dict[str, Any], arrays: dict[str, NDArray[Any]], ids: Ids | None) -> "World":
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
            raise ValueError(f"world has the events {about['events']}, expected those of its domain")
        return world
