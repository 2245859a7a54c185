"""Files of a world: what `world.json` holds, and the checks of what is read."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recgym import storage
from recgym.arrays import Arrays
from recgym.checks import quoted
from recgym.sim import posterior
from recgym.sim.numbering import Numbering
from recgym.sim.schema import LAYOUT
from recgym.sim.world_metadata import checked_card

if TYPE_CHECKING:
    from recgym.sim.world import World

ABOUT = "world.json"
APART = (*posterior.NAMES, "user_features", "item_vectors")  # stored arrays that are not in LAYOUT
CONSTANT = ("profile", "profile_sd", "push")  # arrays that a file holds as one entry where all are the same
NAMES = ("categories", "contexts", "user_feature_names")  # lists of texts
MAX_ENTRIES = 1 << 29  # of an array of users or items by factors
_SCHEMA = "recgym.world/1"
_KINDS = {"name": str, "domain": str, "events": list, **dict.fromkeys(NAMES, list), "card": dict}


def about_of(world: "World") -> dict[str, Any]:
    """The content of `world.json`."""
    about = {
        "schema": _SCHEMA,
        "name": world.name,
        "domain": world.domain,
        "events": [event.name for event in world.events],
        "categories": world.categories,
        "contexts": world.contexts,
        "user_feature_names": world.user_feature_names,
        "card": world.card,
    }
    if world.origin:
        about["origin"] = world.origin
    if world.numbering is not None:
        about["numbering"] = {
            "index_digest": world.numbering.index_digest,
            "items": world.numbering.items.tolist(),
        }
    return about


def read_about(stored: storage.Stored) -> dict[str, Any]:
    """The content of `world.json`, checked; ValueError names the key that is missing or of another type."""
    place, about = stored.folder / ABOUT, stored.json(ABOUT)
    if about.get("schema") != _SCHEMA:
        raise ValueError(f"{place}: schema is {str(about.get('schema'))[:60]!r}, expected {_SCHEMA!r}")
    storage.check_keys(about, _KINDS, place)
    for key in ("events", *NAMES):
        if not all(isinstance(name, str) for name in about[key]):
            raise ValueError(f"{place}: {key} holds a value that is not a text")
    checked_card(about["card"], f"{place}: card")
    about["origin"] = str(about.get("origin", ""))
    about["numbering"] = _numbering(about.get("numbering"), place)
    return about


def _numbering(value: Any, place: object) -> Numbering | None:
    """The numbering of `world.json`; its numbers are checked by `World.build`."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"{place}: numbering is {quoted(value)}, expected dict")
    storage.check_keys(value, {"index_digest": str, "items": list}, f"{place}: numbering")
    if not all(type(number) is int and 0 <= number < 1 << 31 for number in value["items"]):
        raise ValueError(f"{place}: numbering holds a value that is no number of an item")
    return Numbering(value["index_digest"], np.array(value["items"], np.int64))


def compact(arrays: Arrays) -> Arrays:
    """Arrays for a file: those of CONSTANT whose entries are all the same, bit for bit, hold one entry."""
    one = {name for name in CONSTANT if name in arrays and _is_constant(arrays[name])}
    return {name: array.ravel()[:1].reshape(1, 1) if name in one else array for name, array in arrays.items()}


def _is_constant(array: NDArray[Any]) -> bool:
    """Whether all entries have the same bits: 0.0 and -0.0 are equal, and give worlds of another SHA-256."""
    bits = np.ascontiguousarray(array).view(np.dtype(f"u{array.itemsize}"))
    return bool(np.all(bits == bits.flat[0]))


def expanded(arrays: Arrays) -> Arrays:
    """The arrays of a file that `compact` made, in full; ValueError where they would be too large."""
    if any(
        name not in arrays or arrays[name].ndim != rank for name, rank in (("user_cdf", 1), ("factors", 2))
    ):
        return arrays  # refused later
    items, width = arrays["factors"].shape
    rows = {"push": items, **dict.fromkeys(("profile", "profile_sd"), len(arrays["user_cdf"]))}
    found = dict(arrays)
    for name, num in rows.items():
        if name in arrays and arrays[name].shape == (1, 1):
            if num * width > MAX_ENTRIES:
                raise ValueError(
                    f"world array {name} would have {num} x {width} entries, more than {MAX_ENTRIES}"
                )
            found[name] = np.full((num, width), arrays[name].item(), arrays[name].dtype)
    return found


def check_types(arrays: Arrays) -> None:
    """ValueError names the first stored array of another type than the layout's, or that is missing."""
    kinds = {name: np.dtype(layout.stored) for name, layout in LAYOUT.items()}
    for name, kind in (kinds | dict.fromkeys(APART, np.dtype(np.float16))).items():
        if name in arrays and arrays[name].dtype != kind:
            raise ValueError(f"world array {name} is of {arrays[name].dtype}, expected {kind}")
    if "user_features" not in arrays:
        raise ValueError("world lacks user_features")
