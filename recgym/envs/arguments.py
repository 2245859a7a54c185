"""Arguments of an environment, checked when it is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from recgym.checks import MAX_COUNT, did_you_mean, quoted, whole_number
from recgym.envs import OBSERVED, EnvRow
from recgym.envs.open_items import Rules, parse_arrival
from recgym.events import EVENTS
from recgym.sim.world import World

OBSERVATIONS = ("features", "history", "tabular", "features+history")
RENDER_MODES = ("ansi", "rgb_array")
RENDER_PIXELS = ((320, 200), (3840, 2400))  # [pixels] smallest and largest width and height of a picture
_NO_ROW = EnvRow("", "", "", None, 1, 50, "engagement", "")


class UnknownArgumentError(ValueError, TypeError):
    """Unknown keyword. It is a TypeError because TorchRL retries after one, and a ValueError like all other errors."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of an environment; ValueError names the one that is out of range, `parse` those that are unknown."""

    domain: str
    world: str | World | None = (
        None  # name of a shipped world, folder of a fitted one, or World; None: the row's
    )
    member: int | None = None  # number of a bootstrap world of the folder's ensemble, at least 1
    n_items: int | str | None = None  # N, the most exposed items; "all"; None: the row's, at most the world's
    slate_size: int = 1  # K, 1 to 50 items shown at a step
    horizon: int = 50  # [steps] after which an episode is truncated, at least 1
    reward: str | Mapping[str, float] | None = (
        None  # name in REWARDS, or weights by event; None: see `task_reward`
    )
    # settings of the world's assumed terms by name: "low", "middle", "high", or a number in between
    assume: Mapping[str, str | float] | None = None
    users: Sequence[int] | None = None  # indices of the users that are drawn; None: all
    # items that arrive late: share of the catalogue in (0, 1), and the episode by which the last one is there
    arrival: tuple[float, int] | None = None
    rules: Mapping[str, Any] | None = (
        None  # rules on what is shown, by name: see `recgym.envs.open_items.RULES`
    )
    pages: bool = False  # whether an action, an item, shows the whole page that it is on
    observation: str = "features"  # one of OBSERVATIONS
    max_episode_steps: int | None = None  # [steps] truncates, too: the smaller of this and horizon
    action_mask: bool = False  # whether info holds the mask of allowed items
    render_mode: str | None = None  # one of RENDER_MODES
    render_hidden: bool = False  # whether pictures show the hidden intent
    render_size: tuple[int, int] = (
        640,
        400,
    )  # [pixels] width and height of "rgb_array", each in RENDER_PIXELS
    row: EnvRow = _NO_ROW  # row of the table of environments, with the defaults

    def __post_init__(self) -> None:
        one_of("domain", self.domain, tuple(EVENTS))
        if self.world is None and not self.row.world:
            raise ValueError(
                "world is missing; only an environment that is made by its id has a default world"
            )
        if self.reward is not None and not isinstance(self.reward, str | Mapping):
            raise ValueError(f"reward is {quoted(self.reward)}, expected a name or a dict of event weights")
        if self.assume is not None and not isinstance(self.assume, Mapping):
            raise ValueError(f"assume is {quoted(self.assume)}, expected a dict of settings by assumed term")
        one_of("observation", self.observation, OBSERVATIONS)
        one_of("render_mode", self.render_mode, (None, *RENDER_MODES))
        for name in ("slate_size", "horizon", "n_items", "max_episode_steps"):
            value = getattr(self, name)
            optional = value is None and name not in ("slate_size", "horizon")
            if optional or (name == "n_items" and isinstance(value, str) and value == "all"):
                continue
            high = MAX_COUNT if name in ("horizon", "max_episode_steps") else None
            whole_number(value, name, 1, high, other="'all'" if name == "n_items" else "")
        for name in ("action_mask", "pages", "render_hidden"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {quoted(getattr(self, name))}, expected True or False")
        _check_size(self.render_size)
        limits = parse_arrival(self.arrival), Rules.parse(self.rules)
        if self.pages and limits != (None, Rules()):
            raise ValueError(
                "pages is True: a whole page is shown, so that arrivals and rules cannot be kept"
            )

    @classmethod
    def parse(cls, arguments: Mapping[str, Any]) -> "Arguments":
        """Arguments from keywords, defaults from the row; UnknownArgumentError names unknown and allowed ones."""
        allowed = [field.name for field in fields(cls) if field.name != "row"]
        given = {name: value for name, value in arguments.items() if name != "row"}
        if unknown := sorted(set(given) - set(allowed)):
            names = ", ".join(map(repr, unknown))
            raise UnknownArgumentError(
                f"argument {names} is unknown; allowed: {', '.join(allowed)}{did_you_mean(unknown[0], allowed)}; "
                f"got an unexpected keyword argument {names}"
            )
        if "row" not in arguments:
            if "domain" not in given:
                raise ValueError(f"domain is missing; allowed: {', '.join(map(repr, EVENTS))}")
            return cls(**given)
        row = _row(arguments["row"])
        plain = {name: getattr(row, name) for name in ("domain", "slate_size", "horizon", "pages")}
        return cls(**{**plain, **given}, row=row)


def _row(fields_of_row: Any) -> EnvRow:
    needed, known = set(EnvRow._fields) - set(EnvRow._field_defaults), set(EnvRow._fields)
    if not isinstance(fields_of_row, Mapping) or not needed <= set(fields_of_row) <= known:
        raise ValueError(f"row is {quoted(fields_of_row)}, expected the fields {', '.join(EnvRow._fields)}")
    row = EnvRow(**fields_of_row)
    if unknown := sorted(set(row.observes) - set(OBSERVED)):
        raise ValueError(f"row observes {', '.join(unknown)}, allowed: {', '.join(OBSERVED)}")
    return row._replace(observes=tuple(row.observes))


def _check_size(size: Any) -> None:
    """ValueError unless `size` is the width and height of a picture that can be drawn."""
    low, high = RENDER_PIXELS
    pair = isinstance(size, tuple | list) and len(size) == 2
    if not pair or any(isinstance(each, bool) or not isinstance(each, int) for each in size):
        raise ValueError(f"render_size is {quoted(size)}, expected (width, height) in pixels")
    if not all(low[i] <= size[i] <= high[i] for i in range(2)):
        raise ValueError(f"render_size is {quoted(size)}, allowed: {low} to {high}")


def one_of(name: str, value: object, allowed: Sequence[object]) -> None:
    """ValueError that names the argument, unless its value is one of those allowed."""
    if not any(isinstance(value, type(other)) and value == other for other in allowed):
        meant = did_you_mean(value, map(str, allowed)) if isinstance(value, str) else ""
        raise ValueError(f"{name} is {quoted(value)}, allowed: {', '.join(map(repr, allowed))}{meant}")
