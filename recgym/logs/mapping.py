"""Vocabulary of the generic table: keys of a map of columns, and words of an event column."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from recgym.checks import did_you_mean, quoted
from recgym.events import EVENTS
from recgym.logs.problems import LogError

KEYS = (
    "user",
    "item",
    "time",
    "event",
    "session",
    "step",
    "slate",
    "position",
    "propensity",
    "price",
    "watch_ms",
    "rating",
    "shown",
)
ATTRIBUTES = ("category", "duration_ms")  # of items; price goes to both
ALIASES = {"watch": "watch_ms", "duration": "duration_ms"}
CONTEXT = "context_"
OMITTED = "omit"  # in a map of event words: the rows are left out
OTHER_WORDS = "*"  # in a map of event words: all words without an entry
BOUND = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)"  # of a rating
MIN_RESPONSE_RATING = 4.0  # default of the lowest rating that counts as a response

LIST_OF_WORDS = "a list with a word for each item shown"
TRUE, FALSE = ("1", "1.0", "1,0", "true", "t", "yes", "y"), ("0", "0.0", "0,0", "false", "f", "no", "n")
SHOWN = "shown"  # an impression without an event
OPENED = "view"  # an impression or a click, see `meaning`
WITHDRAWN = "withdrawn"  # takes an earlier event back; not an impression
NO_RESPONSE = (
    "none",
    "skip",
    "skipped",
    "skips",
    "noclick",
    "no_click",
    "no-click",
    "ignored",
)  # and none followed
CLICKED = ("click", "clicks", "clicked")
SYNONYMS: dict[str, str] = {
    **dict.fromkeys(("shown", "show", "impression", "impressions", "exposure", "exposed"), SHOWN),
    **dict.fromkeys(NO_RESPONSE, SHOWN),
    **dict.fromkeys(("view", "views", "pv", "pageview", "page_view", "detail", "product_view"), OPENED),
    **dict.fromkeys((*CLICKED, "open", "play", "fav", "favourite", "favorite"), "click"),
    **dict.fromkeys(("cart", "carts", "addtocart", "add_to_cart", "add-to-cart", "basket", "atc"), "cart"),
    **dict.fromkeys(
        ("purchase", "buy", "buys", "order", "orders", "transaction", "bought", "sale"), "purchase"
    ),
    **dict.fromkeys(("long_view", "long_watch", "complete", "finish"), "long_view"),
    **dict.fromkeys(("like", "likes", "liked"), "like"),
    **dict.fromkeys(("comment", "comments", "reply"), "comment"),
    **dict.fromkeys(("share", "shares", "forward", "retweet", "repost"), "share"),
    **dict.fromkeys(("follow", "follows", "subscribe"), "follow"),
    **dict.fromkeys(("hate", "dislike", "report"), "hate"),
    **dict.fromkeys(("listen", "listens", "scrobble", "listened"), "listen"),
    **dict.fromkeys(
        ("remove_from_cart", "removefromcart", "remove-from-cart", "remove", "unfav", "unlike", "unfollow"),
        WITHDRAWN,
    ),
}


def parse_mapping(mapping: Mapping[str, str] | str | None, domain: str) -> dict[str, str]:
    """Column name of each key, from a dict or "user=visitorid,item=itemid"; {} without a map.

    Keys are KEYS, ATTRIBUTES, the events of the domain and `context_*`; user and item are needed, with `shown` user and
    either item or an event.

    Raises:
        LogError: a key is unknown, repeated or missing.
    """
    if mapping is None:
        return {}
    named = _pairs(mapping)
    allowed = (*KEYS, *ATTRIBUTES, *(event.name for event in EVENTS[domain]))
    columns: dict[str, str] = {}
    for key, column in named:
        plain = ALIASES.get(key, key)
        if plain not in allowed and not plain.startswith(CONTEXT):
            meant = did_you_mean(key, allowed)
            if meant.endswith("_ms'?"):
                meant += " It is in milliseconds: multiply seconds by 1000"
            raise LogError(f"map: key {key!r} is unknown; there are {', '.join(allowed)}, {CONTEXT}*{meant}")
        if plain in columns:
            raise LogError(f"map: key {key!r} is given twice")
        columns[plain] = column
    if "#0" in columns.values() and any(re.fullmatch("#[1-9][0-9]*", column) for column in columns.values()):
        raise LogError("map: '#0': columns are numbered from 1, as in user=#1,item=#2")
    if "user" in columns and columns["user"] == columns.get("item"):
        raise LogError(f"map: user and item are two columns; both are {columns['user']!r}")
    missing = [key for key in ("user", "item") if key not in columns]
    if "shown" in columns and any(event.name in columns for event in EVENTS[domain]):
        missing = [key for key in missing if key != "item"]
    if missing:
        needed = f"{' and '.join(missing)} must be given, as in user=visitorid,item=itemid"
        raise LogError(f"map: {needed}{_instead(columns, missing)}")
    return columns


def _instead(columns: Mapping[str, str], missing: list[str]) -> str:
    """End of the message on a missing key: what else may be meant."""
    if "user" in missing and "session" in columns:
        return f", or user={columns['session']}, each session for a user"
    if missing == ["item"] and {"shown", "event"} <= columns.keys():
        column = columns["event"].partition(":")[0]
        return f"; {LIST_OF_WORDS} is the column of one event, EVENT={column}:WORD>1:WORD>0"
    return ""


def _pairs(mapping: object) -> list[tuple[str, str]]:
    """Key and column of each entry of a map; LogError where it is of another type."""
    if isinstance(mapping, str):
        pairs = [part.split("=", 1) for part in mapping.split(",")]
        broken = [pair[0] for pair in pairs if len(pair) < 2 or not pair[1].strip()]
        if broken:
            raise LogError(f"map: {broken[0].strip()!r} must look like key=column")
        return [(key.strip(), column.strip()) for key, column in pairs]
    if not isinstance(mapping, Mapping):
        raise LogError(f'mapping is {quoted(mapping)}, expected a dict or "user=visitorid,item=itemid"')
    for key, column in mapping.items():
        if not isinstance(key, str) or not isinstance(column, str) or not column.strip():
            entry = f"{quoted(key)}: {quoted(column)}"
            raise LogError(f"mapping: {entry}: expected a key and the name of a column")
    return list(mapping.items())


def without_key(names: Iterable[str], domain: str) -> list[str]:
    """Names of columns that are no key of a table of events, so that without a map nothing reads them."""
    keys = (*KEYS, *ATTRIBUTES, *(event.name for event in EVENTS[domain]))
    return [name for name in names if name not in keys and not name.startswith(CONTEXT)]


def rating_rule(columns: Mapping[str, str]) -> tuple[dict[str, str], float]:
    """The map without a bound of the rating, and the lowest rating that counts as a response: 8 for "stars>=8"."""
    column, bound, least = columns.get("rating", "").partition(">=")
    if not bound:
        return dict(columns), MIN_RESPONSE_RATING
    if not re.fullmatch(BOUND, least.strip()):
        raise LogError(f"map: rating>={least.strip()!r}: a number is needed, as in rating={column}>=4")
    return {**columns, "rating": column.strip()}, float(least)


def event_words(columns: Mapping[str, str], domain: str) -> tuple[dict[str, str], dict[str, str]]:
    """The map without event words, and the meaning of each word, lower-cased.

    "action:clickout item>click:search>omit" maps the words of the column "action"; the meanings are the events of the
    domain, click, shown, none and omit; the word * matches all others.
    A row of none is an impression that had no response.

    Raises:
        LogError: a meaning is unknown, or a word is given twice.
    """
    column, *pairs = columns.get("event", "").split(":")
    if not pairs or ">" not in columns["event"]:
        return dict(columns), {}
    known = (*(event.name for event in EVENTS[domain]), "click", SHOWN, NO_RESPONSE[0], OMITTED)
    words: dict[str, str] = {}
    for pair in pairs:
        word, _, event = (part.strip() for part in pair.rpartition(">"))
        if event not in known or not word:
            named = ", ".join(dict.fromkeys(known))
            if word and event:
                meant = did_you_mean(SYNONYMS.get(event.lower(), event), known)
                raise LogError(f"map: {event!r} is no event{meant or f'; the events are {named}'}")
            raise LogError(f"map: event {pair!r} must look like word>event; the events are {named}")
        if word.lower() in words:
            raise LogError(f"map: event word {word!r} is given twice")
        words[word.lower()] = event
    return {**columns, "event": column.strip()}, words


def flag_words(columns: Mapping[str, str], domain: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The map without words of columns of 0 and 1, and what the words of each such column mean, lower-cased.

    "click=clic:oui>1:non>0" says that the column "clic" has "oui" for 1 and "non" for 0.

    Raises:
        LogError: a meaning is not 1 or 0, or a word is given twice.
    """
    plain, found = dict(columns), dict[str, dict[str, str]]()
    for key in (event.name for event in EVENTS[domain]):
        column, *pairs = columns.get(key, "").split(":")
        if not pairs or ">" not in columns[key]:
            continue
        plain[key], found[key] = column.strip(), {}
        for pair in pairs:
            word, _, mark = (part.strip().lower() for part in pair.rpartition(">"))
            if mark not in ("0", "1") or not word:
                raise LogError(f"map: {key} {pair!r} must look like word>1 or word>0")
            if word in found[key]:
                raise LogError(f"map: word {word!r} of {key} is given twice")
            found[key][word] = mark
    return plain, found


def translated(words: Iterable[str], meanings: Mapping[str, str]) -> list[str]:
    """Words of an event column after a map of event words, see `event_words`; an unmapped SHOWN stays."""
    other = meanings.get(OTHER_WORDS)
    meanings = {SHOWN: SHOWN, **meanings} if meanings else {}
    return [meanings.get(word.strip().lower(), other or word) for word in words]


def unknown_words(words: list[str], rows: Any, domain: str) -> tuple[set[str], str]:
    """Unknown words of an event column, and the rule that they break; `rows` is the number of rows of each word.

    If most rows have a word of TRUE or FALSE, all other words are unknown.
    """
    plain = {word: word.strip().lower() for word in words}
    count: Counter[str] = Counter()
    for word, number in zip(words, rows.tolist(), strict=True):
        count[word] += number
    binary = {word for word, text in plain.items() if text in (*TRUE, *FALSE)}
    blank = {word for word, text in plain.items() if not text}
    events = (*(event.name for event in EVENTS[domain]), SHOWN, OPENED, WITHDRAWN, "click")
    known = [synonym for synonym, event in SYNONYMS.items() if event in events]
    if 2 * sum(count[word] for word in binary) > sum(count[word] for word in plain.keys() - blank):
        rule = f"0 or 1 is needed, as most rows have; codes of events must become words: {', '.join(known)}"
        return set(plain) - binary - blank, rule
    unknown = {word for word, text in plain.items() if text not in known}
    return unknown - blank, f"the event is unknown in the domain {domain}; known are {', '.join(known)}"


def meaning(values: list[str], domain: str) -> dict[str, tuple[str, ...]]:
    """Events of each known word of an event column, with the events that they need; () for an impression only.

    A word of TRUE is the response of the domain. A "view" is a response (a product page was opened), but an impression
    if the table also has a word of CLICKED. A synonym of click is a listen in a social log. A word of WITHDRAWN has no
    events; its rows are left out (`is_withdrawn`).
    """
    response = EVENTS[domain][0].name
    plain = {value: value.strip().lower() for value in values}
    if is_binary(values):
        return {value: (response,) if word in TRUE else () for value, word in plain.items()}
    view = SHOWN if set(plain.values()) & set(CLICKED) else response
    names = {value: SYNONYMS.get(word, SHOWN) for value, word in plain.items()}
    return {
        value: with_needed({OPENED: view, "click": response}.get(name, name), domain)
        for value, name in names.items()
    }


def is_binary(values: Iterable[str]) -> bool:
    """Whether all words of an event column are in TRUE or FALSE."""
    return {value.strip().lower() for value in values} <= {*TRUE, *FALSE, ""}


def is_withdrawn(value: str) -> bool:
    """Whether a word of an event column takes an earlier event back."""
    return SYNONYMS.get(value.strip().lower()) == WITHDRAWN


def shows(value: str, meant: tuple[str, ...]) -> bool:
    """Whether a word with these events is an impression that a later row may respond to."""
    return (
        not meant and value.strip().lower() in SYNONYMS.keys() - set(NO_RESPONSE) and not is_withdrawn(value)
    )


def counted_as(value: str, meant: tuple[str, ...]) -> str:
    """Part of a remark: what the rows of a word count as."""
    return "left out" if is_withdrawn(value) else f"as {'+'.join(reversed(meant)) or 'shown only'}"


def with_needed(name: str, domain: str) -> tuple[str, ...]:
    """An event with the events that it needs; () for another word."""
    needs = {event.name: event.needs for event in EVENTS[domain]}
    chain: list[str] = []
    following: str | None = name if name in needs else None
    while following is not None:
        chain.append(following)
        following = needs[following]
    return tuple(chain)
