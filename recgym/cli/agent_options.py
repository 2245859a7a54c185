"""Parameters of the agent and arguments of the environment, as options of `recgym train` and `recgym tune`."""

from collections.abc import Mapping
from typing import Any


def with_stage(agent: str, settings: dict[str, Any], stage: str | None) -> dict[str, Any]:
    """The parameters with the last stage; ValueError for what the agent lacks, or a stage given twice."""
    from dataclasses import fields

    from agents import agent_class

    config = agent_class(agent).config
    _check_params("--params", agent, config, settings)
    if stage is not None:
        if "stage" not in {field.name for field in fields(config)}:
            raise ValueError(f"--stage {stage}: agent {agent} has no stages")
        if "stage" in settings:
            raise ValueError("--stage: the stage is given by --params as well")
        settings = {**settings, "stage": stage}
        _check_params("--stage", agent, config, settings)
    return settings


def _check_params(option: str, agent: str, config: type[Any], settings: Mapping[str, Any]) -> None:
    """ValueError that names the option and the agent where its parameters are wrong."""
    from agents.params import parse_params

    try:
        parse_params(agent, config, settings)
    except ValueError as error:
        whose = "" if str(error).startswith("agent ") else f"agent {agent}: "
        raise ValueError(f"{option}: {whose}{error}") from None


def checked_arguments(env: str, env_args: str | None, world: str | None) -> dict[str, Any]:
    """Arguments of the environment; ValueError where it rejects --world or --env-args."""
    from recgym.bench.env_args import check_arguments, env_arguments
    from recgym.envs import row_of

    row_of(env)
    kwargs = env_arguments(env_args, world)
    if kwargs:
        given = {"--world": world, "--env-args": env_args}
        check_arguments(env, kwargs, ", ".join(name for name, value in given.items() if value is not None))
    return kwargs
