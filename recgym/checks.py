"""Checks of arguments, and values as error messages show them; used by all packages."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 80  # [characters] of a value in a message
MAX_NAME_WIDTH = 200  # of an unknown name, which may be a path
MAX_SHOWN_BITS = 4096  # of a whole number in a message
MAX_MEANT = 3  # names that a message suggests
LIKENESS = 0.65  # from 0 to 1, of a name that a message suggests
MAX_NUMBER = 1e300  # size of a real argument; squares and sums of larger ones overflow
MAX_COUNT = 2**31 - 1  # of anything that the simulator counts, such as steps


def quoted(value: Any, width: int = WIDTH) -> str:
    """Value as one line of at most `width` characters, for an error message."""
    if isinstance(value, int) and value.bit_length() > MAX_SHOWN_BITS:  # Python refuses to write longer ones
        return f"a whole number of {value.bit_length()} bits"
    try:
        return line_of(repr(value), width)
    except ValueError:  # a container of such a number
        return f"a {type(value).__name__}"


def line_of(text: str, width: int = WIDTH) -> str:
    """Text as one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) < width else line[: width - 4] + "..."


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """End of a message on an unknown name: the known one that is most like it, whatever the case; "" if none is.

    The part of a known name after its last slash may be most like it, too. Where none is like it, those of which it is
    a word: `dqn` of `sb3-dqn`.
    """
    listed = list(known)
    names = {each.rpartition("/")[2].lower(): each for each in listed} | {
        each.lower(): each for each in listed
    }
    return _meant(str(name).lower(), names)


def near_path(path: str | PathLike[str], is_wanted: Callable[[Path], bool] = lambda entry: True) -> str:
    """End of a message on a missing file: the wanted entry of its folder that is most like it; "" if none is."""
    place = Path(path)
    try:
        entries = {entry.name: str(entry) for entry in place.parent.iterdir() if is_wanted(entry)}
    except OSError:
        return ""
    return _meant(place.name, entries)


def _meant(name: str, known: Mapping[str, str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=LIKENESS)
    found = close or [each for each in known if name in each.replace("_", "-").split("-")]
    meant = dict.fromkeys(repr(known[each]) for each in found[:MAX_MEANT])
    return f"; did you mean {' or '.join(meant)}?" if name and found else ""


def unknown_name(what: str, name: Any, known: Iterable[str]) -> str:
    """Message on an unknown name, with the known ones and that which is most like it."""
    names = list(known)
    known_names = f"there are {', '.join(names)}{did_you_mean(name, names)}"
    return f"{what} {quoted(name, MAX_NAME_WIDTH)} is unknown; {known_names}"


def require_name(what: str, name: Any, known: Iterable[str], error: type[ValueError] = ValueError) -> None:
    """`error` with `unknown_name` unless a value is one of the known names."""
    names = list(known)
    if not isinstance(name, str) or name not in names:
        raise error(unknown_name(what, name, names))


def flag(name: str, value: Any) -> bool:
    """True or False; ValueError names the argument."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is {quoted(value)}, expected True or False")
    return bool(value)


def whole_number(value: Any, name: str, low: int = 0, high: int | None = None, *, other: str = "") -> int:
    """Value of any integer type as a Python int; ValueError that names it if it is another type or out of range.

    `other`: a value that the caller takes, too, as the message says it.
    """
    one = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    try:
        number = low - 1 if isinstance(one, bool | np.bool_) else operator.index(one)
    except TypeError:
        number = low - 1
    if number < low or (high is not None and number > high):
        wanted = f"of at least {low}" if high is None or number < low else f"from {low} to {high}"
        raise ValueError(
            f"{name} is {quoted(value)}, expected a whole number {wanted}{other and f', or {other}'}"
        )
    return number


def finite_number(value: Any, name: str, low: float = -MAX_NUMBER, high: float = MAX_NUMBER) -> float:
    """Value of any real type as a Python float; ValueError that names it if it is another type or out of range."""
    one = value.item() if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0 else value
    is_real = isinstance(one, int | float) and not isinstance(one, bool)
    if not is_real or not low <= one <= high:
        wanted = "a finite number"
        if is_real and abs(one) < float("inf"):
            wanted = f"a number of at least {low:g}" if one < low else f"a number of at most {high:g}"
        raise ValueError(f"{name} is {quoted(value)}, expected {wanted}")
    return float(one)


def iso_day(value: Any, what: str, error: type[ValueError] = ValueError) -> str:
    """A day in any form of ISO 8601, such as 20220429, as 2022-04-29: days are compared as texts.

    `error` if it is no day, or has a time of day; its message begins with `what`, such as "since is".
    """
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise error(f"{what} {quoted(value)}, expected a day such as 2022-04-29") from None


def as_array(value: Any, name: str) -> NDArray[Any]:
    """Value as an array on the host, of a tensor without its gradient; ValueError that names it if it is neither."""
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of unequal length, sparse tensors
        raise ValueError(f"{name} is {quoted(value)}, which is no array: {line_of(str(error))}") from None


def as_numbers(value: Any, name: str) -> NDArray[Any]:
    """`as_array` of whole or real numbers, or of True and False."""
    found = as_array(value, name)
    if found.dtype.kind not in "biuf":
        raise ValueError(f"{name} is {quoted(value)}, expected an array of numbers")
    return found


def stated_path(value: Any, name: str = "folder") -> Path:
    """Value as a path; ValueError that names it if it is another type, or empty: that would be the working folder."""
    if not isinstance(value, str | PathLike) or not str(value).strip() or "\0" in str(value):
        raise ValueError(f"{name} is {quoted(value)}, expected the path of a file or folder")
    return Path(value)


def require_kind(value: Any, kind: type[Any], name: str, source: str) -> None:
    """ValueError that names an argument of another type; `source` says what gives one of this type."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {quoted(value)}, expected a {kind.__name__}, such as {source} gives")


def require_mapping(value: Any, name: str) -> None:
    """ValueError that names an argument that is no dict."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is {quoted(value)}, expected a dict")


def words(value: Any, name: str) -> str:
    """Value unchanged if it is a text; else ValueError that names it."""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {quoted(value)}, expected a text")
    return value


def words_or_none(value: Any, name: str) -> str | None:
    """Value unchanged if it is a text or None; else ValueError that names it."""
    return None if value is None else words(value, name)


def checked_seed(value: Any, name: str = "seed") -> int:
    """Random seed as a Python int, see `whole_number`."""
    return whole_number(value, name)


def difference(one: Any, other: Any) -> tuple[str, str]:
    """Two different values as an error message shows them, never as the same text.

    Of mappings only the differing entries are shown, of long texts the part after their common prefix.
    """
    texts = [_text(each) for each in _differing_entries(one, other)]
    if texts[0] == texts[1]:
        texts = [f"{text} ({type(each).__name__})" for text, each in zip(texts, (one, other), strict=True)]
    if texts[0] == texts[1]:
        texts[0] += " with other values"
    if max(map(len, texts)) <= WIDTH // 2:
        return texts[0], texts[1]
    pairs = enumerate(zip(*texts, strict=False))  # one may be a prefix of the other
    common = next((k for k, (a, b) in pairs if a != b), min(map(len, texts)))
    begin = max(common - WIDTH // 8, 0) if common > WIDTH // 4 else 0
    return _window(texts[0], begin), _window(texts[1], begin)


def made_for_another(what: str, others: Sequence[str]) -> str:
    """Message that something was made for another world, reward or slate size than an environment has."""
    return f"{what} was made for another {' and another '.join(others)} than the environment has"


def _differing_entries(one: Any, other: Any) -> tuple[Any, Any]:
    """Differing entries of two mappings; other values unchanged."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return one, other
    one, other = dict(one), dict(other)  # `in` has another meaning in gymnasium.spaces.Dict
    keys = [key for key in {**one, **other} if key not in one or key not in other or one[key] != other[key]]
    return {key: one[key] for key in keys if key in one}, {key: other[key] for key in keys if key in other}


def _text(value: Any) -> str:
    return " ".join((value if isinstance(value, str) else repr(value)).split())


def _window(text: str, begin: int) -> str:
    end = begin + WIDTH // 2
    return f"{'...' * (begin > 0)}{text[begin:end]}{'...' * (len(text) > end)}"


def check_ids(what: str, table: Any, index: Any, known: Iterable[str] | None, whose: str) -> None:
    """Raises ValueError where a row of a marked log's table has an id that is `known` at another index."""
    at = {} if known is None else {name: number for number, name in enumerate(known)}
    for row, name in enumerate(table["id"].to_pylist()):
        if index[row] >= 0 and at.get(name, index[row]) != index[row]:
            raise ValueError(
                f"the log has the mark of {whose}, and {what}s of another numbering: {what} {row} is "
                f"{quoted(name)}, which is {what} {at[name]} there; map it anew by index_log, without its mark"
            )
