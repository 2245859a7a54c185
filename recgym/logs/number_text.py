"""Numbers as text, such as 4,5 or 1.234,50, and prices such as $9.99; a column must have one decimal sign.

The sign is a point where no row shows another: programs write no sign of thousands. A remark says so. Prices of a
column must have one currency, other numbers none.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recgym.arrays import Array
from recgym.logs.columns import as_numpy, numbers_of_text
from recgym.logs.ids import encode, is_missing

CURRENCY = (
    r"(?:[A-Za-z]{0,2}[$€£¥₹₽₩₺₫฿₴₪₦₱₸]|USD|EUR|GBP|JPY|CNY|RMB|INR|RUB|KRW|PLN|CHF|SEK|NOK|DKK|BRL|CAD|AUD|NZD|MXN|"
    r"TRY|ZAR|CZK|HUF|RON|SGD|HKD|THB|IDR|VND|ILS|AED|SAR|ARS|CLP|COP|kr|zł|Kč|Ft|lei)?"
)
PRICE = re.compile(rf"([+-]?)({CURRENCY})\s*([+-]?)([0-9.,'\s]*[0-9][.,]?)\s*({CURRENCY})")
PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
SCIENTIFIC = re.compile(r"([+-]?)([0-9]*[.,]?[0-9]+|[0-9]+[.,])([eE][+-]?[0-9]+)")  # no sign of thousands
SPACED = re.compile(r"[0-9]{1,3}(['\s][0-9]{3})+([.,][0-9]*)?")
# A group of thousands has three digits, and one to three before it. {d} is the decimal sign, {t} the other one.
DECIMAL = (
    r"[0-9]*{d}([0-9]{{0,2}}|[0-9]{{4,}})|([0-9]{{4,}}|0|){d}[0-9]{{3}}|[0-9]{{1,3}}({t}[0-9]{{3}})+{d}[0-9]*|"
    r"[0-9]{{1,3}}({t}[0-9]{{3}}){{2,}}"
)
POINT, COMMA = (re.compile(DECIMAL.format(d=d, t=t)) for d, t in ((r"\.", ","), (",", r"\.")))
EITHER = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}|[0-9]+")

NUMBER, SIGN, OTHER_SIGN, OTHER_CURRENCY = range(4)
RULES = (
    "a number is needed",
    "no row shows which sign is decimal and which separates thousands: a decimal point is needed, without currency",
    "numbers of a column must have one decimal sign",
    "prices must have one currency",
)


def number_column(cells: Any, name: str, is_price: bool = False) -> tuple[Any, Array, list[str]]:
    """Numbers of a column of text.

    Args:
        cells: Arrow column of text.
        name: key of the column, for remarks.
        is_price: cells may have a currency.

    Returns:
        Arrow column of int64, or float64 where a cell has decimals, null where there is no number; index into RULES of
        the rule that a cell breaks (rows,), -1 for none; and remarks on currency and decimal sign.
    """
    codes, words = encode(cells)
    missing = as_numpy(is_missing(words))
    words = pc.if_else(missing, "0", pc.utf8_trim_whitespace(words))
    values, rules, said = _numbers_of_words(
        words, np.bincount(codes[codes >= 0], minlength=len(words)) * ~missing, is_price
    )
    rules = np.append(rules, -1)[codes]
    name = "prices" if is_price else f"numbers of {name}"
    empty = np.append(missing, True)[codes] | (rules >= 0)
    return pa.array(np.append(values, 0)[codes], mask=empty), rules, [f"{name} {what}" for what in said]


def _numbers_of_words(words: Any, rows: Array, is_price: bool = False) -> tuple[Array, Array, list[str]]:
    """Numbers of distinct words, as of `number_column`; `rows` (words,) is the number of rows of each."""
    if _are_clear(words):
        return numbers_of_text(words), np.full(len(words), -1), []
    texts = words.to_pylist()
    values, rules, currency = read_numbers(texts, rows, is_price)
    said = [f"are in {currency}" if currency else "", sign_read(texts, values, rules)]
    return values, rules, [what for what in said if what]


def _are_clear(words: Any) -> bool:
    """Whether all words are plain numbers, with no point that may separate thousands, or one that is decimal."""

    def fit(pattern: str) -> Array:
        return as_numpy(pc.match_substring_regex(words, f"^[+-]?({pattern})$"))

    is_open = fit(r"[1-9][0-9]{0,2}\.[0-9]{3}")
    return bool(fit(PLAIN.pattern).all() and (fit(POINT.pattern).any() or not is_open.any()))


def read_numbers(words: Sequence[str], rows: Array, is_price: bool = True) -> tuple[Array, Array, str]:
    """Numbers of distinct words; `rows` (words,) is the number of rows of each.

    Returns:
        Numbers (words,) float64; index into RULES of the rule that a word breaks (words,), -1 for none; the currency,
        "" for none.
    """
    parts = [_parts(word) for word in words]
    parts = [part if is_price or not part[2] else (1.0, "", "") for part in parts]
    point, comma = (
        sum(
            count
            for (_, bare, _), count in zip(parts, rows.tolist(), strict=True)
            if _shown_sign(bare) == sign
        )
        for sign in ".,"
    )
    used: dict[str, int] = {}
    for (_, bare, currency), count in zip(parts, rows.tolist(), strict=True):
        if bare and currency:
            used[currency] = used.get(currency, 0) + count
    most = max(used, key=lambda currency: used[currency], default="")
    values, rules = np.zeros(len(words)), np.full(len(words), -1)
    for place, (sign, bare, currency) in enumerate(parts):
        rules[place] = _broken(bare, point, comma, bool(currency))
        if rules[place] < 0 and currency not in ("", most):
            rules[place] = OTHER_CURRENCY
        if rules[place] < 0:
            values[place] = sign * _number(bare, "," if comma > point else ".")
    return values, rules, most


def sign_read(words: Sequence[str], values: Array, rules: Array) -> str:
    """Decimal sign, with an example, for a remark; "" if no word is ambiguous or has a comma."""
    bares = [_parts(word)[1] for word in words]
    is_shown = any(_shown_sign(bare) for bare in bares)
    for word, bare, value, rule in zip(words, bares, values.tolist(), rules.tolist(), strict=True):
        if rule < 0 and ("," in bare or ("." in bare and EITHER.fullmatch(bare))):
            sign = "." if _number(bare, ".") == abs(value) else ","
            doubt = "" if is_shown else "; no row shows whether the point separates thousands"
            return f"have the decimal sign {sign!r}: {word} is {value:.12g}{doubt}"
    return ""


def _parts(word: str) -> tuple[float, str, str]:
    """Sign, digits with commas and points, and currency; digits are "" for a word that is no number."""
    if PLAIN.fullmatch(word) or SCIENTIFIC.fullmatch(word):
        return (-1.0 if word.startswith("-") else 1.0), word.lstrip("+-"), ""
    found = PRICE.fullmatch(word)
    if not found:
        return 1.0, "", ""
    sign, before, minus, digits, after = found.groups()
    if SPACED.fullmatch(digits):
        digits = re.sub(r"['\s]", "", digits)
    if (sign and minus) or (before and after and before != after):
        digits = ""
    return (-1.0 if "-" in sign + minus else 1.0), digits, before or after


def _shown_sign(bare: str) -> str:
    """Decimal sign of a word that has one for sure, else ""."""
    if SCIENTIFIC.fullmatch(bare):
        return next((sign for sign in ".," if sign in bare), "")
    return "." if POINT.fullmatch(bare) else "," if COMMA.fullmatch(bare) else ""


def _broken(bare: str, point: int, comma: int, has_currency: bool) -> int:
    """Index of the broken rule, -1 for none; `point` and `comma` are the numbers of unambiguous rows."""
    sign = _shown_sign(bare)
    if sign:
        return -1 if sign == ("," if comma > point else ".") else OTHER_SIGN
    if not EITHER.fullmatch(bare) and not SCIENTIFIC.fullmatch(bare):
        return NUMBER
    is_open = "," in bare or ("." in bare and has_currency)  # numbers written by programs have no currency
    return SIGN if is_open and not point + comma else -1


def _number(bare: str, decimal: str) -> float:
    return float(bare.replace("," if decimal == "." else ".", "").replace(decimal, "."))
