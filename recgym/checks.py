"""Arguments that come from outside, checked, and how a message shows them. Anybody's: it imports nothing of ours."""

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

WIDTH = 80  # of a value in a message


def said(value: Any, width: int = WIDTH) -> str:
    """A value as an error message shows it: one line, cut where it is long."""
    return line_of(repr(value), width)


def line_of(text: str, width: int = WIDTH) -> str:
    """Text as one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) < width else line[: width - 4] + "..."


def whole(value: Any, name: str, low: int = 0) -> int:
    """A number of any integer type as a Python int; ValueError that names it where it is none, or below `low`."""
    one = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
    try:
        number = low - 1 if isinstance(one, bool | np.bool_) else operator.index(one)
    except TypeError:
        number = low - 1
    if number < low:
        raise ValueError(f"{name} is {said(value)}, expected a whole number of at least {low}")
    return number


def seed_of(value: Any, name: str = "seed") -> int:
    """A random seed as a Python int, as `whole`."""
    return whole(value, name)


def difference(one: Any, other: Any) -> tuple[str, str]:
    """Two values that differ, each as a message shows it: cut to what differs, never to the same text.

    Of two mappings only the keys whose values differ are shown, of two long texts what follows their common beginning.
    """
    texts = [_text(each) for each in _odd(one, other)]
    if texts[0] == texts[1]:
        texts = [f"{text} ({type(each).__name__})" for text, each in zip(texts, (one, other), strict=True)]
    if texts[0] == texts[1]:
        texts[0] += " with other values"
    if max(map(len, texts)) <= WIDTH // 2:
        return texts[0], texts[1]
    pairs = enumerate(zip(*texts, strict=False))  # the shorter may be the longer's beginning
    alike = next((k for k, (a, b) in pairs if a != b), min(map(len, texts)))
    begin = max(alike - WIDTH // 8, 0) if alike > WIDTH // 4 else 0
    return _window(texts[0], begin), _window(texts[1], begin)


def _odd(one: Any, other: Any) -> tuple[Any, Any]:
    """Of two mappings the entries that differ; other values as they are."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return one, other
    one, other = dict(one), dict(other)  # a gymnasium.spaces.Dict has its own meaning of "in"
    keys = [key for key in {**one, **other} if key not in one or key not in other or one[key] != other[key]]
    return {key: one[key] for key in keys if key in one}, {key: other[key] for key in keys if key in other}


def _text(value: Any) -> str:
    return " ".join((value if isinstance(value, str) else repr(value)).split())


def _window(text: str, begin: int) -> str:
    end = begin + WIDTH // 2
    return f"{'...' * (begin > 0)}{text[begin:end]}{'...' * (len(text) > end)}"
