"""Fields of a world beside its arrays.

Axes: U users, N items, C categories, X contexts, F public user features, m numbers of an item's public vector.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from recgym import storage
from recgym.arrays import Floats
from recgym.checks import as_numbers, quoted, words
from recgym.sim.numbering import Numbering
from recgym.sim.world_ids import Ids


class WorldMetadata(TypedDict, total=False):
    """Fields of a World beside its arrays, as keyword arguments of `World.build`."""

    categories: tuple[str, ...]  # (C,)
    contexts: tuple[str, ...]  # (X,), default ("any",)
    user_feature_names: tuple[str, ...]  # (F,), default ()
    user_features: NDArray[Any] | None  # (U, F) in [-1, 1]
    card: dict[str, Any] | None
    ids: Ids | None  # of the log
    numbering: Numbering | None  # None: items have the numbers of the fit
    origin: str  # index_digest of the world that this one is a copy of, default ""
    posterior: Mapping[str, NDArray[Any]] | None  # fields of `Posterior`; None: effects are known exactly
    item_vectors: NDArray[Any] | None  # (N, m) public; None: items have none


DEFAULT_METADATA: WorldMetadata = {
    "contexts": ("any",), "user_feature_names": (), "user_features": None, "card": None, "ids": None, "numbering": None,
    "origin": "", "posterior": None, "item_vectors": None,
}  # fmt: skip
_OR_NONE = (dict, type(None))
_CARD: dict[str, Any] = {  # kinds of the card's entries that the code reads, where a card has them
    **dict.fromkeys(("terms", "figures", "left_out", "notes", "judged"), list),
    **dict.fromkeys(("identity", "curves"), dict),
    **dict.fromkeys(("planning", "looked_at", "unfinished", "navigation"), _OR_NONE),
    "seed": int,
}
_ROWS: dict[str, dict[str, Any]] = {"terms": {"term": str, "status": str}, "figures": {}, "left_out": {}}


def checked_metadata(given: WorldMetadata) -> WorldMetadata:
    """With defaults; ValueError names a field of another kind, TypeError one that is unknown or missing."""
    if unknown := sorted(set(given) - set(WorldMetadata.__annotations__)):
        raise TypeError(f"World.build() got an unexpected keyword argument {unknown[0]!r}")
    if "categories" not in given:
        raise TypeError("World.build() lacks the keyword argument 'categories'")
    about: WorldMetadata = {**DEFAULT_METADATA, **given}
    for name, texts in (
        ("categories", about["categories"]),
        ("contexts", about["contexts"]),
        ("user_feature_names", about["user_feature_names"]),
    ):
        is_list = isinstance(texts, Sequence) and not isinstance(texts, str)
        if not is_list or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{name} is {quoted(texts)}, expected texts")
    words(about["origin"], "origin")
    for name, value, kind in (
        ("card", about["card"], dict),
        ("ids", about["ids"], Ids),
        ("numbering", about["numbering"], Numbering),
        ("posterior", about["posterior"], Mapping),
    ):
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"{name} is {quoted(value)}, expected a {kind.__name__} or None")
    checked_card(about["card"] or {})
    return about


def checked_card(card: dict[str, Any], place: str = "card") -> dict[str, Any]:
    """The card; ValueError names an entry of another type."""
    storage.check_keys(card, {name: kind for name, kind in _CARD.items() if name in card}, place)
    for name, kinds in _ROWS.items():
        for number, row in enumerate(card.get(name, ())):
            if not isinstance(row, dict):
                raise ValueError(f"{place}: {name} {number} is {quoted(row)}, expected dict")
            storage.check_keys(row, kinds, f"{place}: {name} {number}")
    texts = {name: card.get(name, ()) for name in ("notes", "judged")}
    for name, values in (texts | {"identity": card.get("identity", {}).values()}).items():
        if not all(isinstance(value, str) for value in values):
            raise ValueError(f"{place}: {name} holds a value that is not a text")
    return card


def public_features(values: NDArray[Any] | None, num_users: int, width: int) -> Floats:
    """User features (U, F) as stored; ValueError unless their shape and range are right."""
    features = np.zeros((num_users, 0)) if values is None else as_numbers(values, "user_features")
    if features.shape != (num_users, width):
        raise ValueError(f"user_features has shape {features.shape}, expected ({num_users}, {width})")
    public: Floats = features.astype(np.float16).astype(np.float32)
    if public.size and (not np.all(np.isfinite(features)) or np.abs(public).max() > 1):
        raise ValueError("user_features leave [-1, 1]")
    return public
