"""Pictures of a session as text, in at most 80 columns unless names are long."""

from textwrap import wrap

from recgym.envs.session_record import amount, counted
from recgym.envs.session_view import Card, SessionView

COLUMNS = 80
_NUMBER = 5  # characters of the number of a place
EARLIER = 4  # steps before the last one that are shown
_BARS = "▁▂▃▄▅▆▇█"


def describe(view: SessionView) -> str:
    """The view as lines: title, user, the slate and what happened, the rewards so far, and the intent if asked."""
    where = f"{view.clock}  " if view.hour is not None else f"context {view.clock}  " if view.clock else ""
    title = view.title + f", agent {view.agent}" * bool(view.agent)
    lines = [_ends(title, f"{where}step {view.step} of {view.horizon}")]
    features = ", ".join(
        f"{name} {value}" if isinstance(value, str) else f"{name} {value:+.1f}"
        for name, value in view.features
    )
    lines += _wrapped(f"user {view.user}: {features or 'no public features'}")
    run = f", {view.run} in a row in {view.run_category}" if view.run > 1 and view.run_category else ""
    lines.append(f"{counted(view.num_responses, 'response')} so far{run}")
    lines.append("-" * COLUMNS)
    lines += _slate(view)
    lines.append("-" * COLUMNS)
    lines += _rewards(view)
    if view.interests:
        shares = (f"{name} {shown:.2f}/{liked:.2f}" for name, shown, liked in view.interests[:4])
        lines += _wrapped("categories of late, shown/with a response: " + ", ".join(shares))
    if view.intent is not None:
        x, y = view.intent.path[-1]
        lines += _wrapped(f"hidden: intent at ({x:+.2f}, {y:+.2f}), wants {', '.join(view.intent.labels)}")
    return "\n".join(lines)


def _slate(view: SessionView) -> list[str]:
    if not view.cards:
        lines = [f"the session begins; at each step the agent shows {view.shows}"]
        if view.ending is not None:
            lines.append(f"the session before: {view.ending.text()}")
        return lines
    cards, first = [*view.earlier[-EARLIER:], *view.cards], 1
    if view.slate_size == 1:  # the steps before are lines above, each with its number
        first = view.step - len(cards) + 1
    names = [f"{card.category or card.noun} {card.ident}".strip() for card in cards]
    details = [", ".join(card.details) for card in cards]
    width, room = min(max(map(len, names)), 30), max(map(len, details))
    outcomes = [_outcome(view, card) for card in cards]
    lines = []
    is_wide = _NUMBER + width + room + 4 + max(map(len, outcomes)) > COLUMNS
    for k, (name, detail, outcome) in enumerate(zip(names, details, outcomes, strict=True), start=first):
        if is_wide:  # details have a line of their own
            lines += [f"{k:>3}. {name:<{width}}  {outcome}", *([" " * _NUMBER + detail] if detail else [])]
        else:
            lines.append(f"{k:>3}. {name:<{width}}  {detail:<{room}}  {outcome}")
    return [*lines, _ends(f"reward {amount(view.rewards[-1])}", view.end)]


def _outcome(view: SessionView, card: Card) -> str:
    if card.is_repeat:
        return "(repeat: empty place)"
    return "* " + ", ".join(card.events) if card.events else view.no_response


def _rewards(view: SessionView) -> list[str]:
    """Rewards of the latest steps as a line of bars, and their sum."""
    name = f"rewards ({view.reward})"
    shown = view.rewards[-(COLUMNS - len(name) - 22) :]
    high = max((1.0, *shown))
    bars = "".join(
        "-" if value < 0 else _BARS[round(value / high * (len(_BARS) - 1))] if value else "."
        for value in shown
    )
    return [_ends(f"{name} {bars or '(none)'}", f"return {amount(sum(view.rewards))}")]


def _ends(left: str, right: str) -> str:
    return f"{left}  {right:>{max(COLUMNS - len(left) - 2, 0)}}".rstrip()


def _wrapped(text: str) -> list[str]:
    return wrap(text, COLUMNS, subsequent_indent="  ")
