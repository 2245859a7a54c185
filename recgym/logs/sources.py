"""The data sets that can be read: one table, one row a data set. A new one is one row and one file."""

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
from recgym.logs.problems import LogError, refuse
from recgym.logs.stored import is_written


class Reader(NamedTuple):
    """How a data set is known and read."""

    read: Callable[[Files, Mapping[str, Any]], Log]
    domain: str | None  # None: the caller says it
    patterns: tuple[str, ...]  # file names of which all must be there for the set to be recognised
    options: tuple[str, ...]  # names that read_log passes on
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
    """The log at `path`: a folder, zip or file of a known data set, a log that recgym wrote, or a table.

    Several paths, or a folder of tables, of the same columns are one log.

    "sample", where no file has that name, is the small log that ships: sampled from a world, not logged.

    `source` names the reader and may carry its options, "kuairec:matrix=small"; without it the files' names tell, or a
    `mapping` the generic table. `mapping` is "user=visitorid,item=itemid,..." or a dict (see recgym.logs.generic),
    `options` are the reader's own (SOURCES). `friends` is a file of pairs of the users of a social log
    (recgym.logs.friend_pairs). Raises LogError for the first value that is wrong; `check=False` leaves
    the ranges and keys to `validate`. Which event needs which other is never an error here: a remark of the log counts
    the rows that break it.
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
    """A log that recgym wrote, None where it is something else."""
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
    """A log that a reader makes."""
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
    """Name and options of "name:option=value,..."; whole numbers are numbers, "none" is None."""
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
        refuse(validate(log))
    return replace(log, remarks=(*log.remarks, *event_remarks(log)))
