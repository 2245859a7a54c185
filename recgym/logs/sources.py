"""Table of the readers of data sets: a new data set is one row here and one file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from recgym.logs import ebnerd, eshop, generic, kuairand, kuairec, lastfm, movielens, obd, otto, retailrocket
from recgym.logs.check import event_remarks, validate
from recgym.logs.files import TABLES, Files, reading
from recgym.logs.friend_pairs import with_friends
from recgym.logs.log import Log
from recgym.logs.problems import LogError, raise_problems
from recgym.logs.stored import is_written


class Reader(NamedTuple):
    """Reader of a data set."""

    read: Callable[[Files, Mapping[str, Any]], Log]
    domain: str | None  # None: an argument of read_log
    patterns: tuple[str, ...]  # patterns of file names by which the data set is recognised; all must match
    options: tuple[str, ...]  # names of the options
    about: str


SOURCES: dict[str, Reader] = {
    "eshop2008": Reader(
        eshop.read, "ecommerce", ("e-shop clothing 2008.csv*",), (), "UCI 553: clicks of a clothes shop"
    ),
    "kuairand_pure_part": Reader(
        kuairand.read,
        "content",
        ("log_standard_*.csv*", "video_features_basic*.csv*"),
        ("tab", "policy"),
        "KuaiRand: short video, watch time and feedback",
    ),
    "lastfm_hetrec2k": Reader(
        lastfm.read,
        "social",
        (lastfm.LISTENS, lastfm.FRIENDS),
        (),
        "HetRec Last.fm: listening counts, friends, tags",
    ),
    "kuairec": Reader(
        kuairec.read,
        "content",
        ("*_matrix.csv", kuairec.CATEGORIES, kuairec.USERS),
        ("matrix",),
        "KuaiRec 2.0: short video, watch time",
    ),
    "retailrocket": Reader(
        retailrocket.read,
        "ecommerce",
        ("events.csv", retailrocket.PROPERTIES),
        (),
        "RetailRocket: views, carts, purchases",
    ),
    "obd": Reader(
        obd.read,
        "ecommerce",
        (obd.CONTEXT,),
        ("policy", "campaign"),
        "Open Bandit Dataset: impressions with propensities",
    ),
    "movielens_100k": Reader(
        movielens.read_100k, "content", ("u.data", "u.item", "u.user"), (), "MovieLens 100k: ratings"
    ),
    "movielens_1m": Reader(
        movielens.read_1m, "content", ("ratings.dat", "movies.dat", "users.dat"), (), "MovieLens 1m: ratings"
    ),
    "movielens_25m": Reader(
        movielens.read_25m,
        "content",
        ("ratings.csv", "movies.csv"),
        (),
        "MovieLens 20m, 25m, latest: ratings",
    ),
    "otto": Reader(otto.read, "ecommerce", (otto.FILE,), (), "OTTO: clicks, carts, orders"),
    "ebnerd": Reader(ebnerd.read, "content", (ebnerd.BEHAVIORS,), (), "EB-NeRD: news pages, clicks"),
    "generic": Reader(
        generic.read, None, (), generic.OPTIONS, "CSV or Parquet table with a map of its columns"
    ),
}
SHIPPED = {
    "sample": Path(__file__).parent / "shipped" / "sample"
}  # drawn from ecommerce-1 by recgym.logs.sample


def read_log(
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    source: str | None = None,
    domain: str | None = None,
    mapping: Mapping[str, str] | str | None = None,
    friends: str | PathLike[str] | None = None,
    check: bool = True,
    **options: Any,
) -> Log:
    """Reads a log: a known data set, a log that recgym wrote, or a table of events.

    Args:
        path: folder, zip or file; several paths, or a folder, of tables with the same columns are one log. "sample", if
            no file has this name, is the log that is shipped with the package; it is sampled from a world.
        source: name of the reader in SOURCES, with options if any, as "kuairec:matrix=small". Default: recognised by
            the names of the files; the generic table with a `mapping`.
        domain: ecommerce, content or social, for a table of events.
        mapping: columns of a table of events, a dict or "user=visitorid,item=itemid,..." (see recgym.logs.generic).
        friends: file of pairs of the users of a social log (recgym.logs.friend_pairs).
        check: raise LogError for values out of range and repeated keys; else use `validate`.
        **options: options of the reader (SOURCES).

    Returns:
        The log. Rows that break the rules which event needs which other are not errors; a remark counts them.

    Raises:
        LogError: a file cannot be read, or a value is wrong; its `problems` list all of them.
    """
    if not isinstance(path, str | PathLike) and len(path) == 1:
        path = path[0]
    log = _written(path, domain, source, mapping, options, check)
    if log is None:
        log = _read(path, source, domain, mapping, check, options)
    return log if friends is None else with_friends(log, friends)


def _written(
    path: Any, domain: str | None, source: str | None, mapping: Any, options: Mapping[str, Any], check: bool
) -> Log | None:
    """A log that recgym wrote; None for another path."""
    if not isinstance(path, str | PathLike) or source is not None:
        return None
    if str(path) in SHIPPED and not Path(path).exists():
        path = SHIPPED[str(path)]
    if not is_written(Path(path)):
        return None
    if mapping is not None:
        raise LogError(f"{path}: a log that recgym wrote takes no map of columns")
    if options:
        raise LogError(f"{path}: a log that recgym wrote takes no option {next(iter(options))!r}")
    log = Log.read(path, check=check)
    if domain not in (None, log.domain):
        raise LogError(f"{path}: this log has the domain {log.domain}, not {domain!r}")
    return log


def _read(
    path: Any,
    source: str | None,
    domain: str | None,
    mapping: Mapping[str, str] | str | None,
    check: bool,
    options: dict[str, Any],
) -> Log:
    """A log from the reader of a data set."""
    source, said = _source_options(source)
    options = said | options
    if source is not None and source not in SOURCES:
        raise LogError(f"source {source!r} is unknown; there are {', '.join(SOURCES)}")
    files = Files(path)
    reader = SOURCES[source or ("generic" if mapping is not None else _recognise(files))]
    if reader.domain is None:
        options |= {"domain": domain, "mapping": mapping}
    elif domain not in (None, reader.domain) or mapping is not None:
        raise LogError(f"{files.path}: this data set has the domain {reader.domain} and takes no mapping")
    unknown = [name for name in options if name not in reader.options]
    if unknown:
        raise LogError(
            f"option {unknown[0]!r} is unknown; this reader has {', '.join(reader.options) or 'none'}"
        )
    with reading(files.path):
        return _checked(reader.read(files, options), check)


def _source_options(source: str | None) -> tuple[str | None, dict[str, Any]]:
    """Name and options of "name:option=value,..."; digits become a number, "none" becomes None."""
    name, _, text = (source or "").partition(":")
    options: dict[str, Any] = {}
    for pair in filter(None, text.split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise LogError(f"source {source!r}: {pair!r} must look like option=value")
        options[key.strip()] = {"none": None}.get(value, int(value) if value.isdigit() else value)
    return name or None, options


def _recognise(files: Files) -> str:
    bases = [Path(name).name for name in files.names]
    for name, reader in SOURCES.items():
        if reader.patterns and all(any(fnmatch(base, p) for base in bases) for p in reader.patterns):
            return name
    if not files.names:
        raise LogError(f"{files.path}: there is no file in it")
    if files.tables():
        return "generic"
    texts = files.find("*.txt")
    if texts:
        rule = f"the tables of a folder end in {', '.join(TABLES)}; name files of another ending one by one"
        raise LogError(f"{files.path}: {rule}, as {texts[0]}")
    raise LogError(f"{files.path}: no known data set and no table; name one as source: {', '.join(SOURCES)}")


def _checked(log: Log, check: bool) -> Log:
    if check:
        raise_problems(validate(log))
    return replace(log, remarks=(*log.remarks, *event_remarks(log)))
