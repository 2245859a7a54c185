"""Arguments of an environment from the command line: `--env-args '{"reward": "revenue"}'`."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from recgym.checks import did_you_mean

EXAMPLES = {
    "--params": '{"alpha": 1}',
    "--env-args": '{"reward": "clicks"}',
    "--space": '{"alpha": [0.1, 1]}',
}
ALLOWED = ("world", "member", "n_items", "slate_size", "horizon", "reward", "assume", "arrival", "rules")


def json_object(option: str, text: str | None) -> dict[str, Any]:
    """The JSON object of an option, {} where it is not given; ValueError that names the option."""
    if text is None:
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        what = f"{option}: {text[:80]!r} is not a JSON object ({error})"
        raise ValueError(f"{what}, such as {option} '{EXAMPLES[option]}'") from None
    if not isinstance(value, dict):
        raise ValueError(f"{option} is {text[:80]}, expected a JSON object, such as '{EXAMPLES[option]}'")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"{twice[0]!r} is given twice")
    return dict(pairs)


def env_arguments(text: str | None, world: str | None = None) -> dict[str, Any]:
    """Arguments of the environment that replace its defaults, by name.

    Args:
        text: JSON of --env-args, or None.
        world: of --world, or None.

    ValueError where one may not be set on the command line (the agent decides the observation) or is given twice.
    Values are checked by `check_arguments`.
    """
    arguments = json_object("--env-args", text)
    if closed := [name for name in arguments if name not in ALLOWED]:
        meant = did_you_mean(closed[0], ALLOWED)
        raise ValueError(f"--env-args: {closed[0]!r} is not one of {', '.join(ALLOWED)}{meant}")
    if world is not None and "world" in arguments:
        raise ValueError("--env-args: the world is given by --world as well")
    return arguments if world is None else {"world": world, **arguments}


def check_arguments(env_id: str, arguments: Mapping[str, Any], option: str = "--env-args") -> None:
    """ValueError that names the option where the environment, or a perturbation of it, rejects its arguments."""
    from recgym.bench.perturbations import perturbed_vector
    from recgym.envs import row_of

    row_of(env_id)
    try:
        perturbed_vector(env_id, 1, **arguments).close()
    except ValueError as error:
        raise ValueError(f"{option}: {env_id}: {error}") from None


def tag_of(arguments: Mapping[str, Any]) -> str:
    """A short name of the arguments that can be part of a folder's name; "" for none."""
    if not arguments:
        return ""
    flat = {name: value for name, value in arguments.items() if name != "assume"}
    if isinstance(assume := arguments.get("assume", {}), Mapping):
        flat |= {f"assume.{term}": value for term, value in assume.items()}
    is_plain = all(isinstance(value, str | int | float) for value in flat.values())
    words = json.dumps(flat, sort_keys=True, separators=(",", "=")).translate(str.maketrans("", "", '{}"'))
    if is_plain and re.fullmatch(r"[\w.=,-]{1,40}", words):
        return words
    return hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:8]
