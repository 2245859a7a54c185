"""Ctrl-C at any moment of a command: one line and exit code 130, also while modules are imported or Python ends.

Python turns Ctrl-C into an exception wherever it happens to be. Within an import, a finaliser or a callback the
exception is printed with a traceback, changed into another one, or swallowed. So a command ends at once while it has
nothing to tidy up (imports before `main`, the interpreter's end after it), and in between the exception is sent again
where it was swallowed.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

EXIT_CODE = 130
STOPPED = "recgym: stopped"


class _State:
    presses = 0  # of Ctrl-C since the command began


def is_command() -> bool:
    """Whether this process is `recgym ...` or `python -m recgym ...`, and no program that imports the package."""
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    return program.partition(".")[0] == "recgym" or (program == "-m" and "recgym" in sys.orig_argv)


def is_pressed() -> bool:
    """Whether Ctrl-C came since the command began, whatever became of its exception."""
    return _State.presses > 0


def end_at_once() -> None:
    """From now on Ctrl-C ends the process where it is: only where there is nothing to tidy up."""
    _handle(_leave)


@contextmanager
def raised() -> Iterator[None]:
    """Inside, the first Ctrl-C raises KeyboardInterrupt in the main thread, a second one ends the process."""
    _State.presses, before, hook = 0, signal.getsignal(signal.SIGINT), sys.unraisablehook

    def swallowed(failure: Any) -> None:
        if not issubclass(failure.exc_type, KeyboardInterrupt):
            hook(failure)
            return
        import threading
        import time

        _State.presses, is_done = 0, threading.Event()

        def again() -> None:
            is_done.wait()  # within this hook it would be swallowed as well
            time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=again, daemon=True).start()
        is_done.set()

    sys.unraisablehook = swallowed
    _handle(_raise)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        if is_command():
            end_at_once()
        else:
            _handle(before)


def _handle(handler: Any) -> None:
    """Install a handler, unless Ctrl-C is ignored (a shell's background job) or this is not the main thread."""
    if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None):
        with suppress(ValueError):
            signal.signal(signal.SIGINT, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    _State.presses += 1
    if _State.presses > 1:
        _leave(number, frame)
    raise KeyboardInterrupt


def _leave(number: int, frame: FrameType | None) -> None:
    try:
        os.write(2, f"{STOPPED}\n".encode())
    finally:
        os._exit(EXIT_CODE)


if is_command():  # what follows is imports alone, until `recgym.cli.main.main` begins
    end_at_once()
