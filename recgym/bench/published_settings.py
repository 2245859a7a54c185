"""Settings of agents that `recgym tune --publish` found: one file AGENT-ENV.json for each agent and environment.

A file is the summary of a search: space, trials, best settings. The presets of `recgym bench` take the best settings
from it, in place of those of the preset.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recgym import storage
from recgym.storage.read import MAX_JSON_BYTES

_PACKAGE = Path(__file__).parent
# in a checkout, and where the package was installed from a wheel
FOLDERS = (_PACKAGE.parents[1] / "results" / "tuning", _PACKAGE / "tuning_results")


def file_name(agent: str, env_id: str) -> str:
    """Name of the file of an agent in an environment."""
    return f"{agent}-{env_id.rpartition('/')[2]}.json"


def refuse_arguments(kwargs: Mapping[str, Any]) -> None:
    """ValueError where a search has arguments of the environment."""
    if kwargs:
        raise ValueError(
            f"--publish: the search has arguments of the environment, {kwargs}: no preset has them"
        )


def publish(summary: Mapping[str, Any], folder: Path) -> Path:
    """Writes the summary of a search as published settings; ValueError where it is of other arguments of the env."""
    env = summary["env"]
    refuse_arguments(env["kwargs"])
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / file_name(summary["agent"], env["id"])
    storage.write_json(place, dict(summary))
    return place


def published(agent: str, env_id: str) -> dict[str, Any] | None:
    """Best settings of an agent in an environment; None without a file, ValueError where it is of another search."""
    for folder in FOLDERS:
        path = folder / file_name(agent, env_id)
        if not path.exists():
            continue
        about = storage.parse_json(storage.read_file(path, MAX_JSON_BYTES), path)
        kinds = {"agent": str, "env": dict, "best_params": dict, "trials": list, "space": dict}
        storage.check_keys(about, kinds, path)
        if (about["agent"], about["env"].get("id")) != (agent, env_id):
            raise ValueError(f"{path}: is of {about['agent']} in {about['env'].get('id')}")
        return dict(about["best_params"])
    return None
