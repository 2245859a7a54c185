"""A world: the arrays of the session model fitted to a log, and the card with their provenance.

Axes: U users, N items, C categories, X contexts, F public user features, d factors, m numbers of a public vector. The
axes of the arrays are in `recgym.sim.schema`.
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
from recgym.arrays import Floats, Ints
from recgym.checks import finite_number, quoted, require_name, whole_number, words
from recgym.events import EVENTS, Event
from recgym.sim.numbering import Numbering, check_numbering, most_exposed_first, permuted
from recgym.sim.page_order import first_items
from recgym.sim.posterior import Posterior, checked_posterior, drawn_users, spreads_beside, spreads_of
from recgym.sim.public_vectors import checked_vectors, of_items
from recgym.sim.schema import PARAM_INDEX, PARAMS, WorldArrays
from recgym.sim.world_checks import check_arrays, normalise_arrays, stored_arrays
from recgym.sim.world_files import ABOUT, APART, NAMES, about_of, check_types, compact, expanded, read_about
from recgym.sim.world_ids import IDS, Ids, check_ids, read_ids, write_ids
from recgym.sim.world_metadata import WorldMetadata, checked_card, checked_metadata, public_features

MEMBERS = "members"  # folder of bootstrap worlds, by number, in the folder of a world


@dataclass(frozen=True)
class World:
    """Arrays of the session model, the names of their indices, and the card.

    Made by `World.build`, `World.load` or `synthetic`. `user_features`, `item_vectors` and the item table are public.
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
    numbering: Numbering | None = None  # other numbers of the items than those of the fit
    posterior: Posterior | None = None  # of the users; None: effects are known exactly, or already drawn
    item_vectors: Floats | None = None  # (N, m), which agents may read; None: items have none

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
            arrays: by name of `WorldArrays`; those of the graph and of `OPTIONAL` may be absent; see `schema.params`.
            **about: fields of `WorldMetadata`; `categories` is required.

        Raises:
            ValueError: an array, feature or id is not as documented; the message names it.
        """
        about = checked_metadata(about)
        words(name, "name")
        require_name("domain", domain, EVENTS)
        events, categories, contexts = EVENTS[domain], about["categories"], about["contexts"]
        sizes = {"params": len(PARAMS), "E": len(events), "X": len(contexts), "C": len(categories)}
        checked = normalise_arrays(arrays, sizes)
        check_arrays(checked, domain, len(categories), len(events))
        features = public_features(about["user_features"], sizes["U"], len(about["user_feature_names"]))
        check_ids(about["ids"], sizes["U"], sizes["N"])
        check_numbering(about["numbering"], sizes["N"])
        return cls(
            name, domain, events, categories, contexts, about["user_feature_names"], features, checked,
            about["card"] or {}, about["ids"], about["origin"], about["numbering"],
            checked_posterior(about["posterior"], checked), checked_vectors(about["item_vectors"], sizes["N"]),
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
        whole_number(item, "item", 0, self.num_items - 1)
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
        if self.ids is None or not self.ids.items:
            return None
        return tuple(self.ids.items[number] for number in self.fitted_numbers)

    @property
    def fitted_numbers(self) -> Ints:
        """(N,) number of each item in the fit, by which `ids` and the card name it."""
        return np.arange(self.num_items) if self.numbering is None else self.numbering.items

    @cached_property
    def index_digest(self) -> str:
        """Digest of the meaning of user and item indices: that of the fitted log's rows, else of the world itself.

        It is the same for a cut or changed copy, and for worlds that are fitted on the same rows of one log. Other
        numbers of the items than those of the fit are part of it.
        """
        if self.numbering is not None:
            numbers = json.dumps([self.numbering.index_digest, self.numbering.items.tolist()])
            return hashlib.sha256(numbers.encode()).hexdigest()
        if "identity" in self.card:
            facts = json.dumps([self.domain, self.card["identity"]], sort_keys=True)
            return hashlib.sha256(facts.encode()).hexdigest()
        return self.origin or self.sha256

    def index_log(self, log: Any) -> Any:
        """Map a `recgym.logs.Log` of this world's users and items onto the indices of the world.

        Returns:
            The log marked `indexed_by` this world, with `context_index` if the world has contexts. Rows with a user or
            item that is not in the world are left out; the log's remarks count them, or doubt its source.

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
            values[PARAM_INDEX[name]] = finite_number(value, f"parameter {name!r}")
        return self.with_arrays(params=values)

    def with_arrays(self, **changes: NDArray[Any]) -> "World":
        """A copy with some arrays replaced, which are then known exactly, and checked again."""
        return self._copy(changes, self.numbering)

    def _copy(
        self, changes: Mapping[str, NDArray[Any]], numbering: Numbering | None, items: Ints | None = None
    ) -> "World":
        return World.build(
            self.name, self.domain, {**self.arrays._asdict(), **changes},
            **{key: getattr(self, key) for key in NAMES}, user_features=self.user_features, card=self.card,
            ids=self.ids, origin=self.index_digest, numbering=numbering,
            posterior=spreads_beside(self.posterior, changes), item_vectors=of_items(self.item_vectors, items),
        )  # fmt: skip

    def drawn(self, seed: int = 0) -> "World":
        """The world with users drawn from their posterior; one seed (0 or more) is one population."""
        seed = whole_number(seed, "seed")
        if self.posterior is None:
            return self
        users = drawn_users(self.arrays, self.posterior, seed)
        return replace(self, arrays=self.arrays._replace(**users), posterior=None, origin=self.index_digest)

    def subset(self, num_items: int) -> "World":
        """A copy with the `num_items` most exposed items, in order of their numbers; ValueError if there are fewer."""
        if not 1 <= whole_number(num_items, "n_items", 1) <= self.num_items:
            raise ValueError(f"n_items is {num_items}, world {self.name} allows 1 to {self.num_items}")
        if num_items == self.num_items:
            return self
        order = most_exposed_first(self.arrays.exposure, num_items)
        if order[num_items - 1] >= num_items:
            return self.permuted(order).subset(num_items)
        cut = first_items(self.arrays, num_items)
        kept, numbers = np.arange(num_items), self.numbering
        return self._copy(cut, numbers and numbers._replace(items=numbers.items[kept]), kept)

    def permuted(self, order: Ints) -> "World":
        """A copy in which item `order[i]` has the number i; `order` (N,) is a permutation of the items.

        Sessions are the same, but for the numbers of the items. Friend requests excepted: the order of the candidates
        is that of their draws.
        """
        first = self.numbering or Numbering(self.index_digest, self.fitted_numbers)
        return self._copy(permuted(self.arrays, order), first._replace(items=first.items[order]), order)

    def with_card(self, **entries: Any) -> "World":
        """A copy with entries of the card added or replaced; ValueError names one of a wrong type."""
        return replace(self, card={**self.card, **checked_card(entries)})

    def _stored(self) -> dict[str, NDArray[Any]]:
        spreads = {} if self.posterior is None else self.posterior.stored()
        public = {"user_features": self.user_features, "item_vectors": self.item_vectors}
        halves = {name: each.astype(np.float16) for name, each in public.items() if each is not None}
        return stored_arrays(self.arrays) | spreads | halves

    def save(self, folder: str | Path, members: Sequence["World"] = ()) -> Path:
        """Write the world and the members of its ensemble, completely or not at all.

        A world in the folder is replaced together with its ensemble; other files (a licence) are kept. A world with ids
        also has ids.json, the ids of its users and items in the log.

        Raises:
            ValueError: `folder` is a file, or `members` are not worlds.
        """
        if not isinstance(members, list | tuple) or not all(isinstance(each, World) for each in members):
            raise ValueError(f"members is {quoted(members)}, expected worlds")
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
        storage.write_arrays(folder / "world.safetensors", compact(self._stored()))
        storage.write_json(folder / ABOUT, about_of(self))
        if self.ids is not None:
            write_ids(folder, self.ids)

    @classmethod
    def load(cls, folder: str | Path) -> "World":
        """Read a world that `save` wrote; ValueError names the file that is missing or broken."""
        stored = storage.Stored(folder, "world")
        about = read_about(stored)
        arrays = stored.arrays("world.safetensors")
        ids = read_ids(stored)
        with storage.refusing(stored.folder):
            return cls._from_file(about, arrays, ids)

    @classmethod
    def _from_file(cls, about: dict[str, Any], arrays: dict[str, NDArray[Any]], ids: Ids | None) -> "World":
        check_types(arrays)
        arrays = expanded(arrays)
        world = cls.build(
            about["name"], about["domain"], {name: array for name, array in arrays.items() if name not in APART},
            **{key: tuple(about[key]) for key in NAMES}, user_features=arrays["user_features"], card=about["card"],
            ids=ids, origin=about["origin"], numbering=about["numbering"], posterior=spreads_of(arrays),
            item_vectors=arrays.get("item_vectors"),
        )  # fmt: skip
        if about["events"] != [event.name for event in world.events]:
            raise ValueError(f"world has the events {about['events']}, expected those of its domain")
        return world
