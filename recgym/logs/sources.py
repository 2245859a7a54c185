"""Reads a log: recognises its data set, and calls the reader of `recgym.logs.registry`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from recgym.checks import quoted, require_name, unknown_name
from recgym.logs.check import event_remarks, validate
from recgym.logs.files import TABLES, Files, first_text, reading, stated
from recgym.logs.friend_pairs import with_friends
from recgym.logs.item_remarks import item_remarks
from recgym.logs.log import Log
from recgym.logs.log_options import check_texts
from recgym.logs.problems import LogError, raise_problems
from recgym.logs.registry import SOURCES, Reader
from recgym.logs.stored import is_written

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
    _check_arguments(path, {"source": source, "domain": domain, **options})
    if not isinstance(path, str | PathLike) and len(path) == 1:
        path = path[0]
    log = _written(path, domain, source, mapping, options, check)
    if log is None:
        log = _read(path, source, domain, mapping, check, options)
    return log if friends is None else with_friends(log, friends)


def _check_arguments(path: Any, options: Mapping[str, Any]) -> None:
    """LogError that names an argument of another type."""
    paths = [path] if isinstance(path, str | PathLike) else path
    are_paths = isinstance(paths, Sequence) and all(isinstance(one, str | PathLike) for one in paths)
    if not are_paths or not paths:
        raise LogError(f"path is {quoted(path)}, expected the path of a file or folder, or a list of paths")
    for one in paths:
        stated(one)
    check_texts(options)


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
    source, stated = _source_options(source)
    options = stated | options
    if source is not None:
        require_name("source", source, SOURCES, LogError)
    files = Files(path)
    reader = SOURCES[source or ("generic" if mapping is not None else _recognise(files))]
    if reader.domain is None:
        options |= {"domain": domain, "mapping": mapping}
    elif domain not in (None, reader.domain) or mapping is not None:
        raise LogError(f"{files.path}: this data set has the domain {reader.domain} and takes no mapping")
    unknown = [name for name in options if name not in reader.options]
    if unknown:
        raise LogError(unknown_name("option", unknown[0], reader.options))
    with reading(files.path):
        return _checked(reader.read(files, options), check)


def _source_options(source: str | None) -> tuple[str | None, dict[str, Any]]:
    """Name and options of "name:option=value,..."; numbers become numbers, "none" becomes None."""
    name, _, text = (source or "").partition(":")
    options: dict[str, Any] = {}
    for pair in filter(None, text.split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise LogError(f"source {source!r}: {pair!r} must look like option=value")
        if key.strip() in options:
            raise LogError(f"source {source!r}: option {key.strip()!r} is given twice")
        options[key.strip()] = _option_value(value)
    return name or None, options


def _option_value(text: str) -> Any:
    """None for "none", a number for one in the usual notation, else the text."""
    number = re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", text)
    if number is None:
        return None if text == "none" else text
    return int(text) if number[1] is None else float(text)


def _recognise(files: Files) -> str:
    found = [name for name, reader in SOURCES.items() if reader.patterns and _is_of(files, reader)]
    if found:
        _refuse_others(files, found)
        return found[0]
    if not files.names:
        raise LogError(f"{files.path}: there is no file in it")
    if files.tables():
        return "generic"
    texts = files.find("*.txt", "*.dat", "*.data")
    if texts:
        rule = f"the tables of a folder end in {', '.join(TABLES)}; name files of another ending one by one"
        raise LogError(f"{files.path}: {rule}, as {texts[0]}")
    raise LogError(f"{files.path}: no known data set and no table; name one as source: {', '.join(SOURCES)}")


def _refuse_others(files: Files, found: list[str]) -> None:
    """Raises LogError if the data sets that were found have no file in common."""
    names = [{*files.find(*"|".join(SOURCES[name].patterns).split("|"))} for name in found]
    if any(not others & names[0] for others in names[1:]):
        named = ", ".join(f"{name} ({min(own)})" for name, own in zip(found, names, strict=True))
        raise LogError(f"{files.path}: holds several data sets, {named}; name the files of one")


def _is_of(files: Files, reader: Reader) -> bool:
    """Whether files have the names, and where these are not distinct the first line, of a data set."""
    found = [files.find(*pattern.split("|")) for pattern in reader.patterns]
    if not all(found):
        return False
    return not reader.marks or all(mark in first_text(files, found[0][0]) for mark in reader.marks)


def _checked(log: Log, check: bool) -> Log:
    if check:
        raise_problems(validate(log))
    return replace(log, remarks=(*log.remarks, *event_remarks(log), *item_remarks(log)))
