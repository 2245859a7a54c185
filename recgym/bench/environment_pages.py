"""Pages of the environments in docs/environments/, in the order of Gymnasium's, from code and cards.

`python -m recgym.bench.environment_pages`, in the folder of README.md, writes them; a test fails where they are not up
to date.
"""

from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

from recgym.bench.episode_end import episode_end
from recgym.bench.experiment import title_of
from recgym.bench.leaderboard import Leaderboard, tables_of
from recgym.bench.raw_rows import preset_of, read_runs, table_folders
from recgym.bench.readme import headline_figures, markdown_table
from recgym.bench.rewards_section import rewards_section
from recgym.bench.session_pictures import AGENT, SCENES
from recgym.bench.table_text import GAIN_HEAD, cells, describe_judged, head
from recgym.envs import ENVIRONMENTS, REGISTERED, EnvRow
from recgym.envs.arguments import Arguments
from recgym.envs.observation_columns import LAST_ITEM, observation_columns, zero_columns
from recgym.envs.rewards import possible_rewards
from recgym.envs.spaces import action_space, feature_blocks
from recgym.envs.task_engine import make_engine, task_world
from recgym.sim.engine import Engine
from recgym.sim.world import World
from recgym.storage import write_files

FOLDER = Path("docs/environments")
RESULTS = Path("results")
REFERENCES = ("random", "oracle", "oracle-plan")
DESCRIPTIONS = {
    "ecommerce": "A visitor browses a shop. At each step the agent shows {shown}, of which the visitor clicks at most "
    "one. Clicks depend on the visitor's intent, on what was clicked before and on the time in one category; carts and "
    "purchases follow a click at assumed rates.",
    "content": "A user watches a feed of short videos. At each step the agent shows {shown}. Each may be clicked, "
    "watched for long, liked, commented on, shared or disliked, and its author followed. Watch time is drawn from the "
    "log's, given the events and the video's length.",
    "social": "A member of a music community, with friends, is recommended artists. At each step the agent shows "
    "{shown}, which the user may listen to, share and comment on.",
    "friends": "A member of a music community is shown one of {candidates} candidates at a time, and may accept a "
    "candidate as a friend for the rest of the session. Candidates are users of the same graph.",
}
ARGUMENTS = (
    ("world", "shipped world, or a folder that `recgym fit` wrote; here {world}"),
    ("n_items", "items, the most exposed of the world; here {n_items}"),
    ("slate_size", "items of a slate; here {slate_size}"),
    ("horizon", "steps after which an episode is truncated; here {horizon}"),
    ("reward", "a name ({rewards}), or a dict of event weights; here `{reward}`"),
    ("observation", "`features`, `history`, `features+history` or `tabular`; here `features`"),
    ("pages", "whether an action shows all items of the item's page; here {pages}"),
    ("assume", 'settings of assumed terms, such as `{{"outside": "low"}}`; here the middle of each'),
    ("users", "users that sessions are drawn from; here all"),
    (
        "arrival",
        "share of the catalogue that arrives during the stream of episodes, and the episode by which all is there; "
        "here `None`",
    ),
    ("rules", "[rules](../contract.md#environments) on what may be shown; here `None`"),
    ("max_episode_steps", "truncates, too: after the smaller of this and `horizon`; here `None`"),
    ("action_mask", 'whether `info["action_mask"]` says which items are allowed; here `False`'),
    ("member", "of an ensemble of fits, for a world that has several"),
    ("render_mode", "`ansi`: text, or `rgb_array`: pixels; `None`"),
    ("render_hidden", "whether pictures show the hidden intent; here `False`"),
    ("render_size", "width and height of pictures in pixels; here (640, 400)"),
)
ALT = "One session, step by step: the user, the slate of the agent {agent}, what happened, and the hidden intent"
WORLDS = {  # why a world replaced another
    "ecommerce-2": "whose visits have as many clicks as the log's",
    "content-2": "whose users differ in taste, and whose clicks fall with the place in the visit",
    "social-2": "which recalls held-out artists as tuned least squares do",
    "social-3": "whose responses to shown items have the popularity of the listens",
}
OBSERVES = {
    "user_features": "public features of the user",
    "friends": "libraries of the user's friends",
    "candidates": "candidate features",
}


def pages() -> dict[Path, str]:
    """Text of each page, and of their index."""
    published = _published()
    found = {FOLDER / f"{_name(row)}.md": page(row, published.get(row.id)) for row in ENVIRONMENTS}
    lines = ["# Environments", "", "| environment | the agent's task |", "| --- | --- |"]
    lines += [f"| [{row.id}]({_name(row)}.md) | {row.about} |" for row in ENVIRONMENTS]
    return {FOLDER / "index.md": "\n".join(lines) + "\n", **found}


def page(row: EnvRow, published: Leaderboard | None) -> str:
    """The page of one environment, with the returns of its published table."""
    asked = Arguments.parse({"row": row._asdict()})
    world = task_world(asked)
    engine, _ = make_engine(asked, world, 1)
    sections = {
        "Description": _description(row, world),
        "Action Space": _actions(row, engine),
        "Observation Space": _observations(engine),
        "Rewards": rewards_section(row, world),
        "Starting State": "A user is drawn from the population of the log"
        + (f", and one of {len(world.contexts)} contexts (the hour)" if len(world.contexts) > 1 else "")
        + ". The hidden intent starts near the user's long-term profile; nothing has been shown. The same seed gives "
        "the same user and the same random numbers, whatever the agent does: policies are compared under common "
        "random numbers.",
        "Episode End": episode_end(row, world),
        "Arguments": _arguments(row, world),
        "Fidelity": _fidelity(world),
        "Reference returns": _references(published),
        "Version History": _versions(row, engine.observes),
    }
    parts = [
        f"# {row.id}",
        f"{row.about[0].upper()}{row.about[1:]}.",
        f'`gymnasium.make("{row.id}")`, after `import recgym`.',
    ]
    parts += [
        f"![{ALT.format(agent=AGENT)}](../pictures/{scene.name}.gif)"
        for scene in SCENES
        if row.id.rpartition("-v")[0] == scene.base
    ]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items() if text]
    return "\n\n".join(parts) + "\n"


def _name(row: EnvRow) -> str:
    return row.id.removeprefix("recgym/")


def _description(row: EnvRow, world: World) -> str:
    shown = "one item" if row.slate_size == 1 else f"a slate of {row.slate_size} items"
    shown = "a page of the shop" if row.pages else shown
    text = DESCRIPTIONS[row.domain].format(shown=shown, candidates=row.n_items)
    card = world.card
    source = f"Users are fitted from {', '.join(card['sources'])} ({card['licence']}): {card['citation']}"
    return f"{text}\n\n{source} Judged on: {', '.join(card['judged'])}. World: {row.world}; " + (
        f"`recgym card {row.world}` prints all that is known of it."
    )


def _actions(row: EnvRow, engine: Engine) -> str:
    what = "candidate" if row.domain == "friends" else "item"
    text = f"`{action_space(engine)}`: the number of the {what} shown"
    if row.pages:
        text += ", with all items of its category and page; the history has the clicked one, if any"
    if row.slate_size > 1:
        text += " at each position, the first is the top"
    given = "`action_mask=True`" + ("" if row.pages else ", `rules` or `arrival`")
    return (
        f"{text}. `env.unwrapped.action_masks()`, and with {given} also "
        f'`info["action_mask"]`, say which {what}s are allowed.'
    )


def _observations(engine: Engine) -> str:
    """Every column of the observation "features"; blocks of candidates in one row each."""
    rows, first, zeros = [], 0, zero_columns(engine)
    names = observation_columns(engine)
    for block, width in feature_blocks(engine).items():
        if "candidate" in block and width:
            rows.append((f"{first} to {first + width - 1}", block, "-1", "1"))
        first += width
        if "candidate" in block:
            continue
        for i in range(first - width, first):
            why = f" (always 0 here: {zeros[names[i]]})" if names[i] in zeros else ""
            rows.append((str(i), names[i] + why, *(("0", "0") if why else ("-1", "1"))))
    return (
        f"`Box(-1.0, 1.0, ({first},), float32)`. The same names are `env.unwrapped.observation_columns`. Other "
        "observations are in the [contract](../contract.md#observations).\n\n"
        + markdown_table(("column", "meaning", "min", "max"), rows)
        + f"\n\n{LAST_ITEM}"
    )


def _arguments(row: EnvRow, world: World) -> str:
    rewards = ", ".join(f"`{name}`" for name in possible_rewards(world))
    values = {**row._asdict(), "n_items": world.num_items, "rewards": rewards}
    own = {"n_items": "candidates of a session; here {n_items}"} if row.domain == "friends" else {}
    return markdown_table(
        ("argument", "meaning"),
        ((f"`{name}`", own.get(name, text).format(**values)) for name, text in ARGUMENTS),
    )


def _fidelity(world: World) -> str:
    rows = []
    for figure in headline_figures(world):
        log = "" if figure.log is None else f"{figure.log:.4g}"
        baseline = "" if figure.baseline is None else f"{figure.baseline:.4g}"
        rows.append((figure.text, log, f"{figure.world:.4g}", baseline))
    return "On held-out rows of the log:\n\n" + markdown_table(("figure", "log", "world", "baseline"), rows)


def _published() -> dict[str, Leaderboard]:
    """The references of the published table of most seeds, then of most agents of these, of each id as it is."""

    def size(table: Leaderboard | None) -> tuple[int, int]:
        return (0, 0) if table is None else (table.seeds, len(table.rows))

    found: dict[str, Leaderboard] = {}
    for place in table_folders(RESULTS):
        runs = [run for run in read_runs(place)[0] if run.record["agent"]["name"] in REFERENCES]
        for table in tables_of(preset_of(place), runs):
            is_own = title_of(table.env_id, table.experiment) == table.env_id
            if is_own and size(table) > size(found.get(table.env_id)):
                found[table.env_id] = table
    return found


def _references(table: Leaderboard | None) -> str:
    """Returns of the reference agents; "" where no table is published."""
    if table is None:
        return ""
    texts = {row.agent: dict(zip(head(table), cells(table, row), strict=True)) for row in table.rows}
    shown = [texts[agent] for agent in REFERENCES if agent in texts]
    names = ("agent", "return", GAIN_HEAD, "response rate")
    titles = ("agent", "mean return of a session", *names[2:])
    returns = markdown_table(titles, (tuple(row[name] for name in names) for row in shown))
    return f"{returns}\n\n" + " ".join([describe_judged(table), *(f"{note}." for note in table.notes)])


def _versions(row: EnvRow, observed: Collection[str]) -> str:
    """The versions of the id, oldest first, with what each changed of the one before it.

    `observed`: what its world has of the row's `observes`.
    """
    base = row.id.rpartition("-v")[0]
    own = [
        each._replace(observes=tuple(name for name in each.observes if name in observed))
        for each in REGISTERED
        if each.id.rpartition("-v")[0] == base
    ]
    own.sort(key=lambda each: int(each.id.rpartition("-v")[2]))
    rows = [("v" + own[0].id.rpartition("-v")[2], own[0].world, "first version")]
    for before, after in pairwise(own):
        rows.append(("v" + after.id.rpartition("-v")[2], after.world, "; ".join(changes(before, after))))
    return (
        markdown_table(("version", "world", "what changed"), rows)
        + "\n\nEarlier versions behave as they did."
    )


def changes(before: EnvRow, after: EnvRow) -> list[str]:
    """What a version of an id changes of the one before it, in words."""
    found = []
    if after.world != before.world:
        why = WORLDS.get(after.world)
        found.append(f"world {after.world}" + (f", {why}" if why else ""))
    for name, text in (("n_items", "{} items"), ("slate_size", "slates of {}"), ("horizon", "horizon {}")):
        value = getattr(after, name)
        if value != getattr(before, name):
            found.append(text.format("all" if value is None else value))
    if after.reward != before.reward:
        found.append(f"default reward `{after.reward}`")
    if after.numbering != before.numbering:
        order = (
            "by exposure" if after.numbering is None else "in a random order, so that numbers carry nothing"
        )
        found.append(f"items are numbered {order}")
    if after.pages != before.pages:
        found.append(f"an action shows {'all items of its page' if after.pages else 'the items alone'}")
    found += [f"observations have {OBSERVES[each]}" for each in after.observes if each not in before.observes]
    found += [
        f"observations have no {OBSERVES[each]}" for each in before.observes if each not in after.observes
    ]
    return found


def write() -> None:
    """Writes the pages into the folder docs/environments/ of the working folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_files({path: text for path, text in pages().items()})


if __name__ == "__main__":
    write()
