"""`python -m recgym` is the command `recgym`."""

from recgym.cli.main import main

main()
