"""A table of events, as text, Parquet, JSON lines or a data frame, with a map of its columns.

    read_log("events.csv", domain="ecommerce",
    mapping="user=visitorid,item=itemid,time=timestamp,event=event")

`user` and `item` are needed. Without a map the columns must have the names of the keys (`recgym.logs.mapping`). The
columns of a file without header are named by their number, user=#1,item=#2. With a map, only what it names is read: a
remark names the other columns. Where no column of responses is read, one that is named as responses are, or whose cells
are all 0 and 1, yes and no or words of events, is an error (`recgym.logs.unread_responses`). Conventions:

* files: text, Parquet, or JSON lines (.json, .jsonl, .ndjson). Several files of the same columns are one log; with a
  key that is mapped to #file, the name of the file without endings, they may have further columns of their own.
  `separator` and `encoding` state the form of text; else the separator is that of the header, and the encoding UTF-8. A
  quote that opens a cell and is not closed where the cell ends, or takes lines that are like rows, is an error; `quote`
  states that quotes are characters (literal), or that such lines are text (lines) (`recgym.logs.quotes`);
* time: numbers are s, ms, us or ns, or dates such as 20080401 and 20080401123000; the unit is that which puts them
  between 1990 and 2100, or `time_unit`. Dates start with the year, or with the month or the day if a row shows which,
  or have the format `time_format`; without a zone they are UTC. All rows must have the same unit, which a remark names;
  all must have a zone, or none; and years must be from 1990 to 2100 unless `time_unit` is given. Times finer than 1 ms
  order the rows, and become ms;
* ids are text without surrounding spaces, and 7.0 is 7; NA, None, null, nan and the like are missing ids, unless the
  table of users or items lists them;
* session: a session ends when a user has no event for 30 minutes (`gap_minutes`); a response to an item of a slate
  counts at the time of the item there; without times each user has one;
* step: rows of one slate are one step; without slates each row is one, in order of time; without times, of the file,
  as a remark says;
* rows of one time have no order, and that of the file is not used: the same rows in another order, or other files, are
  the same log. They go by `position`, where they have one, else in an order that carries nothing; the rows of one user
  and item go by the event table (shown, click, cart, purchase). A remark counts them. `ties=file` states that the
  order of the files is that of the events;
* event: a table with a column of words (`recgym.logs.mapping.meaning`) has one row per action. A cart or purchase
  joins the last earlier row of the same item in the session that lacks it, else it is a row with the events that it
  needs; the first response after an impression joins it, unless it is over `gap_minutes` later or has another watch
  time, or the log's rows are impressions of their own (`recgym.logs.joining`). A map of words,
  event=action_type:clickout>click:search>omit, states what other words mean: an event of the domain, click, shown or
  omit; * is all other words. In a slate the actions of an item join its row.
  `recgym.logs.joining` says which price and watch time are kept. Words that take an event back (remove_from_cart) are
  left out. A remark counts all words. Columns with the name of an event hold 0 or 1 (yes, no, true, false); a column
  listen may hold counts: above 0 is a listen, and the extra column `listens` has the counts;
* shown: the items of a slate as a list in one cell, of Parquet, JSON or text split by | ; , or white space. `item` is
  the chosen one, or a list of them, or empty; a price, propensity, position or event may be a list of the same length.
  An event, price, category, duration_ms or watch_ms that is given once is that of the chosen item: an error without a
  column `item`, and counted in a remark, unused, where no item is chosen; a propensity that is given once for several
  items, an event without a chosen item, or one against it, is an error (`recgym.logs.slate_lists`);
* rating: 4 or more is the response of the domain (click, listen), less is an impression; "rating=stars>=8" in the map
  changes the bound. This is an assumption, which a remark states;
* positions and steps are as in the table, from 0 or 1, as only their order and differences are used; slates are ids, as
  sessions are, and an empty cell or -1 is none;
* contexts, and the columns of the tables `users` and `items`, are text, read as ids are. In files of text they become
  numbers, or true and false, if all cells are these in the usual notation and none in two ways
  (`recgym.logs.text_values`). A fit reads context_hour, 0 to 23, or else context_index, 0 to 999; splits read
  context_date, as 2022-04-25, or else context_day, as 20220425, or else the times. Another cell of these is an error;
* prices may have a currency ($9.99), and a sign that separates thousands if the column shows which it is; without
  currency a point is decimal where no row shows what it is, as a remark says;
* exact duplicates, rows that are equal in all columns of their file, are dropped if the table has a time, step or
  position, and kept if a repeat may be meant: without these, or if all times are whole days of the clock that they were
  written by. `duplicates`, keep or drop, overrides this. A remark counts them, and rows that differ in columns that are
  not read alone;
* items: `category`, `price` and `duration_ms` of an item are the first values of its rows in this order; a
  remark counts items with other values. The price of a row is kept. The option `items` names a table with a column `id`
  (`users` likewise): its attributes are those of the items, and the rows give the others; a row with an id that is not
  in it is an error. Its column `vector` holds a list of numbers for each item, or a file of the same name that ends in
  .npy holds them, (rows, numbers) in the table's order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recgym.checks import finite_number, quoted, require_name
from recgym.events import DOMAIN_WORDS, DOMAINS
from recgym.logs.columns import Source
from recgym.logs.events_table import GAP_MINUTES, log_of_table, stated_options
from recgym.logs.files import TABLES, Files, stated
from recgym.logs.id_tables import read_ids
from recgym.logs.log import Log
from recgym.logs.log_options import TableOptions
from recgym.logs.mapping import parse_mapping
from recgym.logs.problems import LogError, shown
from recgym.logs.table_form import TableForm
from recgym.logs.table_settings import TableSettings
from recgym.logs.text_form import TextForm
from recgym.logs.vector_column import with_vectors_beside

OPTIONS = {
    "domain": "",
    "mapping": "",
    "users": "a table with `id`",
    "items": "a table with `id`",
    "gap_minutes": "",
    "time_unit": "s, ms, us, ns",
    "time_format": "",
    "duplicates": "keep, drop",
    "ties": "file",
    "separator": "one character, ::, tab or space",
    "encoding": "",
    "quote": "literal, lines",
}


def read(files: Files, options: Mapping[str, Any]) -> Log:
    """Log of a table of text or Parquet: a file, or several with the same columns."""
    domain = options.get("domain")
    if domain is None:
        raise LogError(
            f"{files.path}: a table needs a domain, {DOMAIN_WORDS}: say --domain, or domain= in Python"
        )
    require_name("domain", domain, DOMAINS, LogError)
    names = files.tables()
    if not names:
        rule = f"expected files {', '.join(TABLES)}; name files of another ending one by one"
        raise LogError(f"{files.path}: there is no table; {rule}")
    columns = parse_mapping(options.get("mapping"), domain)
    called = Path(names[0]).name.split(".")[0] if len(names) == 1 else files.path.name
    source = Source(called, "unknown", "", "read by the generic reader")
    paths = {key: options[key] for key in ("users", "items") if options.get(key) is not None}
    for key, path in paths.items():
        stated(path, key)
    text = TextForm.stated(*(options.get(key) for key in ("separator", "encoding", "quote")))
    tables = {key: read_ids(path, text) for key, path in paths.items()}
    if "items" in tables:
        tables["items"] = with_vectors_beside(paths["items"], *tables["items"])
    beside = {key: table for key, (table, _) in tables.items()}
    gap = _gap_minutes(options.get("gap_minutes", GAP_MINUTES))
    chosen = stated_options(**{name: options.get(name) for name in TableOptions.__annotations__})
    settings = {"gap_minutes": gap, **beside, **chosen}
    form = TableForm(source, domain, (), columns, text, settings=settings, is_own_map=bool(columns))
    log = form.read_files(files, names)
    remarks = [remark for _, of_table in tables.values() for remark in of_table]
    return replace(log, remarks=(*remarks, *log.remarks, *unread_remark(files.unread())))


def _gap_minutes(value: Any) -> float:
    """The pause that ends a session; LogError if it is no number above 0."""
    try:
        gap = finite_number(value, "gap_minutes")
    except ValueError:
        gap = 0.0
    if gap <= 0:
        raise LogError(f"gap_minutes is {quoted(value)}, expected a number of minutes above 0, such as 30")
    return gap


def unread_remark(names: Sequence[str]) -> list[str]:
    """Remark that counts files of the log's folder that are not read."""
    return [f"{len(names):,} files in the folder are not read: {shown(names)}"] if names else []


def from_table(table: Any, settings: TableSettings) -> Log:
    """Log of a table whose columns have the names of the keys; LogError if a cell does not fit."""
    return log_of_table(table, settings, Log.build)
