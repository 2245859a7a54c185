"""RecBole's atomic files: NAME.inter, and NAME.item beside it, tables with the type of each field in the header.

The domain must be stated. The user is the field user_id, or else the first token; the item item_id, or else the second
token; `timestamp` is the time, `session_id` the session. `label` (0 or 1) is the response, else `rating` the rating (4
or more is a response). A `mapping` states other fields by their names with types, user=user_id:token. The category is
the first word of a field class, category, categories or genre of NAME.item. Several parts (NAME.train.inter ...) are
one log; those of two names are two data sets, and an error.

Layout: the documentation of RecBole, "atomic files" (recbole.io/docs).
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from recgym.events import DOMAINS, EVENTS
from recgym.logs.columns import Source
from recgym.logs.files import Files
from recgym.logs.log import Log
from recgym.logs.mapping import parse_mapping
from recgym.logs.problems import LogError, shown
from recgym.logs.table_form import Attributes, TableForm
from recgym.logs.text_form import TextForm
from recgym.logs.text_layout import read_line

SOURCE = Source(
    "recbole", "that of the data set", "Zhao, W. X. et al. (2021). RecBole. CIKM 2021.", "As the set says."
)
FILES, ITEMS = "*.inter", "*.item"
TABS = TextForm("\t", is_quoted=False)
FIELDS = {"time": "timestamp:float", "session": "session_id:token"}
LABEL, RATING = "label:float", "rating:float"
PARTS = ("train", "valid", "test")  # that are no names of data sets
CATEGORIES = ("class", "category", "categories", "genre")


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of the interactions."""
    domain = options.get("domain")
    if domain not in DOMAINS:
        raise LogError(f"{files.path}: atomic files need a domain, {', '.join(DOMAINS)}; it is {domain!r}")
    names = files.find(FILES)
    if not names:
        raise LogError(f"{files.path}: there is no file {FILES}")
    sets = {PurePosixPath(name).name.partition(".")[0]: name for name in names}
    others = [name for key, name in sets.items() if key not in PARTS]
    if len(others) > 1 and not files.is_named:
        raise LogError(f"{files.path}: holds several data sets, {shown(others)}; name the files of one")
    columns = parse_mapping(options.get("mapping"), domain) or _fields(
        names[0], _header(files, names[0]), domain
    )
    items = _categories(files, columns["item"])
    return TableForm(SOURCE, domain, (FILES,), columns, TABS, items).read_files(files, names)


def _header(files: Files, name: str) -> list[str]:
    return read_line(files, name).split("\t")


def _fields(name: str, header: Sequence[str], domain: str) -> dict[str, str]:
    """Field of each key, by its name and type."""
    tokens = [field for field in header if field.endswith(":token")]
    if len(tokens) < 2:
        raise LogError(
            f"{name}, row 1: two fields as user_id:token, item_id:token are needed; found {shown(header)}"
        )
    user = next((field for field in tokens if field == "user_id:token"), tokens[0])
    others = [field for field in tokens if field != user]
    item = next((field for field in others if field == "item_id:token"), others[0])
    responses = {EVENTS[domain][0].name: LABEL} if LABEL in header else {"rating": RATING}
    known = {key: field for key, field in (FIELDS | responses).items() if field in header}
    return {"user": user, "item": item} | known


def _categories(files: Files, item: str) -> Attributes | None:
    """Attributes of the items; None if there is no file of them, or no category in it."""
    for name in files.find(ITEMS):
        found = [field for field in _header(files, name) if field.partition(":")[0] in CATEGORIES]
        if found and item in _header(files, name):
            sign = " " if found[0].endswith("_seq") else ""
            return Attributes(ITEMS, {"id": item, "category": found[0]}, TABS, sign)
    return None
