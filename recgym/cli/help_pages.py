"""How help pages look: --help is a switch without a value, and commands are in panels."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

PANELS = {
    "Environments and agents": (
        "envs",
        "train",
        "tune",
        "bench",
        "report",
        "verify",
        "ope",
        "export",
        "speed",
    ),
    "Worlds from logs": ("validate", "fit", "card", "rolling"),
}


def panel_of(command: str) -> str:
    """The panel that a command is in; KeyError where it is in none."""
    return {name: panel for panel, names in PANELS.items() for name in names}[command]


def _as_switch(option: Any) -> Any:
    if option is not None:
        option.metavar = ""
    return option


class HelpfulCommand(TyperCommand):
    """A command whose --help is shown as a switch."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help."""
        return _as_switch(super().get_help_option(ctx))


class HelpfulGroup(TyperGroup):
    """The same for the commands together."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help."""
        return _as_switch(super().get_help_option(ctx))
