"""Stated form of files of text: separator, encoding and quotes."""

import codecs
from typing import Any, NamedTuple

from recgym.checks import unknown_name
from recgym.logs.problems import LogError
from recgym.logs.separators import BLANKS, COLONS

SEPARATOR_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "space": BLANKS}
# quotes are characters of cells; cells in quotes may hold lines that are like rows
QUOTES = ("literal", "lines")


class TextForm(NamedTuple):
    """Stated form of files of text."""

    separator: str | None = None  # None: the most frequent one of the header
    encoding: str = "utf8"
    is_quoted: bool = True
    may_hold_rows: bool = False  # cells in quotes may hold lines that are like rows

    @classmethod
    def stated(cls, separator: Any = None, encoding: Any = None, quote: Any = None) -> "TextForm":
        """Checked options; LogError for a separator or an encoding that cannot be read, or an unknown quote."""
        if quote not in (None, *QUOTES):
            raise LogError(unknown_name("quote", quote, QUOTES))
        if separator is not None:
            separator = SEPARATOR_WORDS.get(str(separator), separator)
            if separator != COLONS and not (isinstance(separator, str) and len(separator) == 1):
                words = ", ".join(word for word in SEPARATOR_WORDS if word.isalpha())
                raise LogError(f"separator {separator!r}: one character, :: or a word of {words} is needed")
        try:
            is_fit = encoding is None or "user,item\n".encode(codecs.lookup(encoding).name) == b"user,item\n"
        except (LookupError, TypeError, ValueError):  # UnicodeError, NUL bytes
            is_fit = False
        if not is_fit:
            raise LogError(
                f"encoding {encoding!r}: an encoding that extends ASCII is needed, such as latin-1 or cp1252"
            )
        name = "utf8" if encoding is None else codecs.lookup(encoding).name
        return cls(separator, "utf8" if name == "utf-8" else name, quote != "literal", quote == "lines")


ANY_TEXT = TextForm()
