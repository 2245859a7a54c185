"""Columns that are not read and may say what users did.

Where no column that is read says it, all rows count as responses: such a column would be left out without a word.
They are found by their names (`named_responses`), or by their cells (`Marks`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from recgym.events import EVENTS
from recgym.logs.columns import ITEM_COLUMNS
from recgym.logs.ids import TEXT
from recgym.logs.json_lines import MAX_SAMPLED_LINES
from recgym.logs.mapping import CLICKED, CONTEXT, FALSE, SYNONYMS, TRUE, is_binary, with_needed
from recgym.logs.problems import LogError, shown

WORDS_OF_RESPONSES = {
    "label", "target", "interaction", "interactions", "interacted", "interaction_type", "action",
    "actions", "action_type", "action_name", "event_type", "event_name", "behavior",
    "behavior_type", "behaviour", "behaviour_type", "activity_type", "feedback", "feedback_type",
    "response", "responded", "reaction", "outcome", "engaged", "consumed", "converted",
    "conversion", "viewed", "watched", "played", "opened", "liked", "disliked", "listened",
    "bought", "purchased", "ordered", "added_to_cart", "shared", "commented", "followed",
    "subscribed", "skipped",
}  # fmt: skip
PARTS = re.compile(r"^(is|has|was|did)_|_(flag|ind|indicator|yn)$")  # of the name of a column of 0 and 1


def response_keys(domain: str) -> set[str]:
    """Keys of columns that say what users did."""
    return {"event", "rating", "shown", *(event.name for event in EVENTS[domain])}


def named_responses(names: Iterable[str], domain: str) -> dict[str, str]:
    """Columns that are named as responses are, each by the key that would read it; the first one of each key.

    Such names are keys in another case, clicked, is_X and has_X and X_flag of an event X, and WORDS_OF_RESPONSES.
    """
    found: dict[str, str] = {}
    for name in names:
        key = _key(name, domain)
        if key is not None and name != key:
            found.setdefault(key, name)
    return found


def _key(name: str, domain: str) -> str | None:
    """Key of responses that would read a column, by its name."""
    events = [event.name for event in EVENTS[domain]]
    word = re.sub(r"(?<=[a-z])(?=[A-Z])|[-. ]+", "_", name.strip()).lower()
    if word in ("event", "rating", *events):
        return word
    if word in CLICKED:
        return events[0]
    plain = PARTS.sub("", word)
    if word not in WORDS_OF_RESPONSES and (plain == word or plain not in {*SYNONYMS, *WORDS_OF_RESPONSES}):
        return None
    event = events[0] if plain in CLICKED else SYNONYMS.get(plain, "")
    return event if events[0] in with_needed(event, domain) else "event"


class Marks:
    """Columns all of whose cells are marks (0 and 1, true and false, yes and no; both occur), or words of events."""

    def __init__(self) -> None:
        self.words: dict[str, set[str] | None] = {}  # of each column; None for one with another cell

    def add(self, batches: Iterable[Any], places: Mapping[str, int]) -> None:
        """Reads batches, until each column at these places has another cell."""
        for batch in batches:
            rest = [name for name in places if self.words.get(name, set()) is not None]
            if not rest:
                return
            for name in rest:
                self.add_words(name, _distinct(batch.column(places[name])))

    def add_lines(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Reads objects of JSON lines, until each field has another cell."""
        for row, record in enumerate(records):
            if row >= MAX_SAMPLED_LINES and not any(words is not None for words in self.words.values()):
                return
            for name, value in record.items():
                is_word = isinstance(value, str | int | float | None)
                self.add_words(name, ["" if value is None else str(value)] if is_word else None)

    def add_words(self, name: str, words: Iterable[str] | None) -> None:
        """Adds cells of a column; None for cells that are no words."""
        known = self.words.get(name, set())
        if words is None or known is None:
            self.words[name] = None
            return
        known |= {word.strip().lower() for word in words} - {""}
        self.words[name] = known if is_binary(known) or known <= SYNONYMS.keys() else None

    def found(self) -> list[str]:
        """Their names; attributes of items, such as `page`, are none."""
        told = [name for name, words in self.words.items() if words and _tells(words)]
        return [name for name in told if name not in ITEM_COLUMNS]


def _tells(words: set[str]) -> bool:
    """Whether words say of some rows something else than of the others."""
    return bool(words & {*TRUE} and words & {*FALSE}) if is_binary(words) else len(words) > 1


def _distinct(cells: Any) -> list[str] | None:
    """Different cells as words; None for lists, dates and the like."""
    if isinstance(cells, pa.ExtensionArray):
        cells = cells.storage
    kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if pa.types.is_nested(kind) or pa.types.is_temporal(kind):
        return None
    words = cells.unique().drop_null()
    words = words.dictionary_decode() if pa.types.is_dictionary(cells.type) else words
    try:
        return [str(word) for word in words.cast(TEXT).to_pylist()]
    except pa.ArrowException:  # bytes that are not UTF-8
        return None


def refuse_marks(name: str, columns: Sequence[str], *, is_map: bool) -> None:
    """LogError that names columns which may say what users did, with what to do; `is_map`: of a table with a map."""
    if not columns:
        return
    first = columns[0]
    other = CONTEXT + re.sub(r"\W+", "", first.strip())
    if is_map:
        what = f"event={first} in the map reads what says so, {other}={first} what does not"
    else:
        what = f"frame.rename(columns={{{first!r}: 'event'}}) reads what says so, {other!r} what does not"
    raise LogError(
        f"{name}: no column that is read says what users did, and these hold marks (0 and 1, yes and no) or words of "
        f"events: {shown(columns)}; {what}"
    )
