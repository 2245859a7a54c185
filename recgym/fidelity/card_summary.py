"""The summary of a card: what a world is fitted on, how close it is to its log, and what is assumed."""

from collections.abc import Iterable, Mapping
from typing import Any

from recgym.fidelity.card_metrics import Figure, figures_of
from recgym.fidelity.metric_table import LOG_LOSS

WHOLE, EQUAL_LENGTHS, ONE_STEP = (
    "free_classifier/visits",
    "free_classifier/visits, common lengths",
    "classifier_auc",
)  # ids of figures
VISITS = "free_length/mean", "free_responses", "free_rate"  # the last of each event
FAR = 0.1  # share of the log's figure by which one that lies outside is far off
# what assumed terms decide, by the beginning of their names
DECIDES = {
    "leave_idle": "whether users leave sooner after a slate without a response",
    "leave_": "when users leave",
    "patience": "how much sessions differ in patience",
    "outside": "how often nothing of a slate has a response",
    "examine": "that every position of a slate is seen",
    "exposure": "what the logging policy shows",
    "logged_stay": "how often the logging policy stays in a category",
    "page_chain": "that the shop shows the items of one category at a time, as a page",
    "item_bias": "how much items differ in appeal",
    "kappa": "how users tire of a category",
    "decay": "how users tire of a category",
    "rho": "whether users want an item again within a visit",
    "omega": "what friends have to do with taste",
    "connect_": "how readily suggested friends are accepted",
}
_RATE, _SPREAD = "event:", "item_sd:"  # before the name of an event


def summary(card: Mapping[str, Any]) -> list[str]:
    """Three lines of Markdown, fewer where the card lacks their entries.

    One more where fitted rows were judged, one where the log shows the positions of slates, and one of what is not
    modelled. The line on truth also says where visits of the running world are unlike the log's, see `unlike_visits`.
    """
    truth = " ".join(text for text in (_closeness(card), unlike_visits(card)) if text)
    return [
        line
        for line in (
            _fitted_on(card),
            _judged_again(card),
            truth,
            _places(card),
            _one_response(card),
            _not_modelled(card),
            _assumed(card),
        )
        if line
    ]


def _judged_again(card: Mapping[str, Any]) -> str:
    """That some of the judged rows are of the period of the fit; empty where none are known to be."""
    fitted = card.get("looked_at", {}).get("fitted")
    return f"**Judged in part on rows that it was fitted on**: {fitted}." if fitted else ""


def _fitted_on(card: Mapping[str, Any]) -> str:
    rows = card.get("rows")
    if not rows:
        return ""
    text = f"**Fitted on** {rows['train']:,} rows"
    if card.get("sources"):
        text += f" of {', '.join(card['sources'])}"
    if "users" in card and "items" in card:
        text += f", {_of_log(card, 'users')} and {_of_log(card, 'items')}"
    text += f"; {rows['validation']:,} rows to choose terms by, {rows['test']:,} to judge it on."
    return text + (f" Periods: {card['period']}." if card.get("period") else "")


def _of_log(card: Mapping[str, Any], what: str) -> str:
    """How many users or items a world has, and its log where these are more."""
    all_of_log = card.get("of_log", {}).get(what, card[what])
    return f"{card[what]:,} {what}" + (f" (of {all_of_log:,} in the log)" if all_of_log != card[what] else "")


def _closeness(card: Mapping[str, Any]) -> str:
    """The classifier of whole visits, of visits at equal lengths, else one step ahead; else the first log-loss."""
    figures = [row for row in figures_of(card) if row.world is not None and not row.day]
    found = {row.id: row for row in figures}
    auc = "AUC of a classifier that tells its {} from the log's, 0.5 at best:"
    if free := [found[name] for name in (WHOLE, EQUAL_LENGTHS) if name in found]:
        words = {WHOLE: "whole visits", EQUAL_LENGTHS: "visits cut to equal lengths"}
        parts = "; ".join(f"{words[row.id]} {_compared(row, 'noise floor')}" for row in free)
        return f"**How true it is when it runs:** {auc.format('visits')} {parts}."
    own = [
        row for row in figures if row.id.startswith("free_") and row.log is not None and row.low is not None
    ]
    note = "as it runs it was not judged"
    if own:
        outside = sum(row.is_outside for row in own)
        note = f"as it runs, {outside} of {len(own)} figures lie outside the interval of the log's"
    one_step = f"**How true it is** one step ahead of the log ({note}):"
    if ONE_STEP in found:
        return f"{one_step} {auc.format('rows')} {_compared(found[ONE_STEP], 'noise floor')}."
    if losses := [row for row in figures if row.metric.kind == LOG_LOSS]:
        return f"{one_step} {losses[0].text} {_compared(losses[0], 'noise')}."
    return "**How true it is** was not judged." if card.get("rows") else ""


def unlike_visits(card: Mapping[str, Any]) -> str:
    """Lengths, responses and rates of free-running visits that are far from the log's.

    They lie outside the interval of the log's, and are off by more than the share FAR of it or surely further from it
    than the baseline's are.
    """
    found = []
    for row in figures_of(card):
        if not row.is_outside or row.day or not {row.id, row.id.partition("/")[0]} & set(VISITS):
            continue
        log, world, low, high = (float(value or 0.0) for value in (row.log, row.world, row.low, row.high))
        gap, known = abs(world - log), row.baseline is not None
        if gap > FAR * abs(log) or (known and gap > 2.0 * abs(float(row.baseline or 0.0) - log) + high - low):
            beside = f", baseline {row.baseline:.3g}" if known else ""
            found.append(f"{row.text.removeprefix('free-running: ')} {world:.3g} (log {log:.3g}{beside})")
    if not found:
        return ""
    terms = {row["term"]: row["status"] for row in card.get("terms", [])}
    rest = ". When users leave is assumed" if terms.get("leave_bias") == "assumed" else ""
    return f"**Its visits are unlike the log's:** {'; '.join(found)}{rest}."


def _compared(row: Figure, floor: str) -> str:
    """A figure for which lower is better, beside its baseline and noise."""
    text, noise = f"{row.world:.3f}", "" if row.noise is None else f" ({floor} {row.noise:.3f})"
    if row.baseline is None or row.world is None:
        return text + noise
    lower = round(row.world, 3) - round(row.baseline, 3)
    against = "as good as" if lower == 0 else "better than" if lower < 0 else "**worse** than"
    return f"{text}, {against} the baseline's {row.baseline:.3f} by {row.baseline_name}{noise}"


def _places(card: Mapping[str, Any]) -> str:
    """What the world has of the log's rates by position of a slate; empty where the log shows none."""
    rates = card.get("place_rates")
    if not rates:
        return ""
    term, one = _examine(card), card.get("one_of_slate")
    logged = f"the log's rates of response by position are {', '.join(f'{rate:.3g}' for rate in rates)}"
    if term.get("status") == "fitted":
        does = "weigh the items there by" if one else "see them in these shares of slates:"
        return f"**Positions of a slate are fitted:** {logged}; the world's users {does} {term['value']}."
    if term.get("status") == "absent":
        return (
            f"**Positions of a slate have no effect**: {logged}, and beside effects of items they did not improve "
            "forecasts of unseen visits."
        )
    return (
        f"**Positions of a slate are not modelled**, though {logged}. In the world every position is seen. Part of the "
        "differences may be of the items that stand there."
    )


def _one_response(card: Mapping[str, Any]) -> str:
    """That slates of the log have one response at most, and whether the world has it; empty where they have more."""
    words = card.get("one_response")
    if words and card.get("one_of_slate"):
        return f"**Users choose one item of a slate, or none:** {words}."
    return f"**That a slate has one response at most is not modelled**: {words}." if words else ""


def _not_modelled(card: Mapping[str, Any]) -> str:
    """What the log may show and the world lacks; empty in cards without such an entry."""
    return f"**Not modelled:** {'; '.join(card['not_modelled'])}." if card.get("not_modelled") else ""


def _examine(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry of the examination of positions; empty where there is none."""
    return next((row for row in card.get("terms", []) if row["term"] == "examine"), {})


def _assumed(card: Mapping[str, Any]) -> str:
    if "terms" not in card:
        return ""
    logged = {"examine"} if card.get("place_rates") else set()
    names = [row["term"] for row in card["terms"] if row["status"] == "assumed" and row["term"] not in logged]
    if not names and _examine(card).get("status") == "assumed":
        return ""
    if not names:
        return "**Assumed:** nothing."
    text = f"**Assumed**, not fitted to the log: {'; '.join(_decided(names))}."
    rewards = card.get("rewards_assumed")
    return text + (f" Rewards that rest on it: {', '.join(rewards)}." if rewards else "")


def _decided(names: Iterable[str]) -> list[str]:
    """What the terms decide, each once, in their order; the rates of events last."""
    names = list(names)
    events = [name.partition(":")[2] for name in names if name.startswith((_RATE, _SPREAD))]
    others = [name for name in names if not name.startswith((_RATE, _SPREAD))]
    words = [next((text for key, text in DECIDES.items() if name.startswith(key)), name) for name in others]
    rates = f"how often {', '.join(dict.fromkeys(events))} happens" if events else ""
    return [*dict.fromkeys(words), *([rates] if rates else [])]
