"""A table of events, CSV or Parquet or a data frame, with a map of its columns.

    read_log("events.csv", domain="ecommerce",
    mapping="user=visitorid,item=itemid,time=timestamp,event=event")

`user` and `item` are needed; without a map the columns must carry the keys' own names
(`recgym.logs.mapping`). The columns of a file without header are named by their place, user=#1,item=#2. What the
table leaves open is settled so:

* time: numbers are s, ms, us or ns, or dates as 20080401 and 20080401123000: by what puts them between 1990 and 2100,
  or `time_unit` states the unit. Dates have the year first, or the month or the day where a row shows which, or are as
  `time_format` states; without a zone they are UTC. All rows have a zone, or none; they have one unit, which a remark
  names, and years from 1990 to 2100 unless `time_unit` is given;
* ids are text without spaces around it, and 7.0 is 7; NA, None, null, nan and the like are no ids, unless the table of
  users or items lists them;
* session: ends where a user does nothing for 30 minutes (`gap_minutes`); without a time, one session a user;
* step: rows of one slate are one step; without slates every row is one; by time, then by order in the file;
* event: a column of words (`recgym.logs.mapping.meaning`) is a log of actions: a cart or purchase joins the
  last earlier row of the same item in the session that lacks it, or stands alone with the events it needs; a click
  joins the impression before it. In a slate the actions of an item join its row. `recgym.logs.joining` says whose
  price and watch time stand. Words that take an event back (remove_from_cart) are left out. A remark counts all words.
  Columns named like events hold 0 or 1 (yes, no, true, false) and stay as they are; one named listen may hold counts:
  above 0 is a listen, and `listens` keeps them;
* rating: 4 or more is the domain's response (click, listen), less is shown only; "rating=stars>=8" in the map sets
  another bound. This is an assumption, which a remark of the log states;
* positions count from 0 as they stand in the table; a slate of -1 is none;
* prices may have a currency ($9.99) and one sign between thousands where the column tells which it is;
* exact duplicates (in the mapped columns) are dropped where time, step or position tells rows apart, and kept where
  a repeat may be meant: without these, or where all times are whole days. `duplicates`, keep or drop, decides
  otherwise. A remark counts them;
* items: `category`, `price`, `duration_ms` are the first that an item's rows have, in time, else in the file; a
  remark counts the items whose rows differ. A row's own price stays. The option `items` names a table with a column
  `id` instead (and `users` likewise): then a row that names no id of it is an error.
"""

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recgym.events import DOMAINS
from recgym.logs.columns import Source
from recgym.logs.events_table import GAP_MINUTES, log_of_table, stated_options
from recgym.logs.files import TABLES, Files
from recgym.logs.log import Log
from recgym.logs.mapping import parse_mapping, rating_rule
from recgym.logs.parsing import Given
from recgym.logs.problems import LogError, shown
from recgym.logs.table_files import read_ids, read_tables, unused

if TYPE_CHECKING:
    pass

OPTIONS = ("domain", "mapping", "users", "items", "gap_minutes", "time_unit", "time_format", "duplicates")


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """The log of a table of text or Parquet: a file, or several of the same columns."""
    domain = options.get("domain")
    if domain is None:
        known = ", ".join(DOMAINS)
        raise LogError(f"{files.path}: a table needs a domain, {known}: say --domain, or domain= in Python")
    if domain not in DOMAINS:
        raise LogError(f"domain {domain!r} is unknown; a table needs one of {', '.join(DOMAINS)}")
    names = files.tables()
    if not names:
        raise LogError(f"{files.path}: there is no table; its files must be {', '.join(TABLES)}")
    columns, least = rating_rule(parse_mapping(options.get("mapping"), domain))
    name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    called = Path(names[0]).name.split(".")[0] if len(names) == 1 else files.path.name
    source = Source(called, "unknown", "", "read by the generic reader")
    paths = {key: options[key] for key in ("users", "items") if options.get(key) is not None}
    for key, path in paths.items():
        if not isinstance(path, str | PathLike):
            raise LogError(f"{key}: the path of a table is needed; found a {type(path).__name__}")
    tables = {key: read_ids(path) for key, path in paths.items()}
    beside = {key: table for key, (table, _) in tables.items()}
    gap = options.get("gap_minutes", GAP_MINUTES)
    if not isinstance(gap, int | float) or not gap > 0:
        raise LogError(f"gap_minutes must be a number above 0; it is {gap!r}")
    said = stated_options(options.get("time_unit"), options.get("time_format"), options.get("duplicates"))
    given = Given(name, domain, source, columns, float(gap), **beside, **said, least_rating=least)
    table, origin, left_out = read_tables(files, names, columns, domain, dated=given.time_format is not None)
    log = from_table(table, replace(given, origin=origin, left_out=tuple(left_out)))
    left = unused(files, names[0], columns, domain)
    together = [f"{len(names)} files are one log: {shown(names)}"] if len(names) > 1 else []
    together += [remark for _, remarks in tables.values() for remark in remarks]
    together += [f"{name}: columns not used: {shown(left)}"] if left else []
    return replace(log, remarks=(*together, *log.remarks))


def from_table(table: Any, given: Given) -> Log:
    """The log of a table whose columns carry the keys' names; LogError where a cell does not fit."""
    return log_of_table(table, given, Log.build)
