"""Prices as text, such as $9.99 or 1.234,50 EUR; a column must have one decimal sign and one currency.

Without currency the sign is a point where no row shows another: programs write no sign of thousands. A remark says so.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
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
    "prices must have one decimal sign",
    "prices must have one currency",
)


def price_column(cells: Any) -> tuple[Array, Array, list[str]]:
    """Prices of a column of text.

    Returns:
        Prices (rows,) float64, NaN where there is none; index into RULES of the rule that a cell breaks (rows,), -1 for
        none; and remarks on currency and decimal sign.
    """
    codes, words = encode(cells)
    missing = as_numpy(is_missing(words))
    words = pc.if_else(missing, "0", pc.utf8_trim_whitespace(words))
    if _are_clear(words):
        values, rules, said = numbers_of_text(words).astype(np.float64), np.full(len(words), -1), ["", ""]
    else:
        rows = np.bincount(codes[codes >= 0], minlength=len(words)) * ~missing
        texts = words.to_pylist()
        values, rules, currency = read_prices(texts, rows)
        said = [f"are in {currency}" if currency else "", sign_read(texts, values, rules)]
    values = np.where(missing | (rules >= 0), np.nan, values)
    remarks = [f"prices {what}" for what in said if what]
    return np.append(values, np.nan)[codes], np.append(rules, -1)[codes], remarks


def _are_clear(words: Any) -> bool:
    """Whether all words are plain numbers, with no point that may separate thousands, or one that is decimal."""

    def fit(pattern: str) -> Array:
        return as_numpy(pc.match_substring_regex(words, f"^[+-]?({pattern})$"))

    is_open = fit(r"[1-9][0-9]{0,2}\.[0-9]{3}")
    return bool(fit(PLAIN.pattern).all() and (fit(POINT.pattern).any() or not is_open.any()))


def read_prices(words: Sequence[str], rows: Array) -> tuple[Array, Array, str]:
    """Numbers of distinct words; `rows` (words,) is the number of rows of each.

    Returns:
        Numbers (words,) float64; index into RULES of the rule that a word breaks (words,), -1 for none; the currency,
        "" for none.
    """
    parts = [_parts(word) for word in words]
    point, comma = (
        sum(count for (_, bare, _), count in zip(parts, rows.tolist(), strict=True) if sign.fullmatch(bare))
        for sign in (POINT, COMMA)
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
    is_shown = any(sign.fullmatch(bare) for bare in bares for sign in (POINT, COMMA))
    for word, bare, value, rule in zip(words, bares, values.tolist(), rules.tolist(), strict=True):
        if rule < 0 and ("," in bare or ("." in bare and EITHER.fullmatch(bare))):
            sign = "." if _number(bare, ".") == abs(value) else ","
            doubt = "" if is_shown else "; no row shows whether the point separates thousands"
            return f"have the decimal sign {sign!r}: {word} is {value:.12g}{doubt}"
    return ""


def _parts(word: str) -> tuple[float, str, str]:
    """Sign, digits with commas and points, and currency; digits are "" for a word that is not a price."""
    if PLAIN.fullmatch(word):
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


def _broken(bare: str, point: int, comma: int, has_currency: bool) -> int:
    """Index of the broken rule, -1 for none; `point` and `comma` are the numbers of unambiguous rows."""
    if "e" in bare.lower() and PLAIN.fullmatch(bare):
        return OTHER_SIGN if comma > point else -1
    if POINT.fullmatch(bare):
        return OTHER_SIGN if comma > point else -1
    if COMMA.fullmatch(bare):
        return -1 if comma > point else OTHER_SIGN
    if not EITHER.fullmatch(bare):
        return NUMBER
    is_open = "," in bare or ("." in bare and has_currency)  # numbers written by programs have no currency
    return SIGN if is_open and not point + comma else -1


def _number(bare: str, decimal: str) -> float:
    return float(bare.replace("," if decimal == "." else ".", "").replace(decimal, "."))
