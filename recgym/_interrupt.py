"""Ctrl-C ends a command with one line and exit code 130 at any time, also during imports and at interpreter exit.

Python raises KeyboardInterrupt wherever it is. Inside an import, a finaliser or a callback the exception is printed
with a traceback, replaced by another one, or swallowed. Therefore a command ends at once while there is nothing to
clean up (during imports before `main`, and at interpreter exit); in between a swallowed exception is raised again.
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
    presses = 0  # of Ctrl-C since the start of the command


def is_command() -> bool:
    """Whether this process is `recgym ...` or `python -m recgym ...`, not a program that imports the package."""
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    return program.partition(".")[0] == "recgym" or (program == "-m" and "recgym" in sys.orig_argv)


def is_pressed() -> bool:
    """Whether Ctrl-C was pressed since the start of the command, also where its exception was swallowed."""
    return _State.presses > 0


def end_at_once() -> None:
    """From now on Ctrl-C ends the process at once; to be called only while there is nothing to clean up."""
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
            is_done.wait()  # inside this hook it would be swallowed, too
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
    """Installs a handler, unless Ctrl-C is ignored (a shell's background job) or this is not the main thread."""
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


if is_command():  # only imports follow, until `recgym.cli.main.main` starts
    end_at_once()
