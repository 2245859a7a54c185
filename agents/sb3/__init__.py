"""Agents of Stable-Baselines3 and sb3-contrib; `sb3_agent` is their base class, `vec_env` the adapter."""

from agents.sb3.vec_env import as_vec_env

__all__ = ["as_vec_env"]
