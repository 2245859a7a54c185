"""`python -m recgym` is the command `recgym`."""

from recgym.cli import main

main()
