"""Command lines of pages and of help texts."""

import shlex

import typer

from recgym.cli.main import app


def parsed(line):
    """The context of a command line; click's errors where it is wrong."""
    name, *arguments = shlex.split(line, comments=True)[1:]
    return typer.main.get_command(app).commands[name].make_context(name, arguments)
