"""Ctrl-C, closed pipes and full disks end a command in one line, whatever it is doing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recgym.sim.synthetic import synthetic

# Ctrl-C arrives at the import number `nth` after that of the guard; -1: never
AT_IMPORT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
nth, seen = int(sys.argv[1]), 0
def hook(event, arguments):
    global seen
    if event == "import" and (seen or arguments[0] == "recgym.clash"):
        seen += 1
        if seen == nth:
            os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
sys.argv = ["recgym", *sys.argv[2:]]
from recgym.cli.main import main
try:
    main()
finally:
    if nth < 0:
        print("imports", seen, file=sys.stderr)
"""


def python(code, *arguments, **settings):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **settings,
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return synthetic(4, domain="ecommerce").save(tmp_path_factory.mktemp("worlds") / "shop")


@pytest.mark.slow
def test_ctrl_c_in_any_import_is_one_line(world):
    command = ("train", "popularity", "recgym/Ecommerce-v1", "--world", world, "--help")
    done = python(AT_IMPORT, -1, *command)
    assert done.returncode == 0
    last = int(done.stderr.split()[-1])
    assert last > 300
    for nth in (*range(1, 12), *range(20, last, last // 12)):
        done = python(AT_IMPORT, nth, *command)
        assert (done.returncode, done.stderr) in ((130, "recgym: stopped\n"), STOPPED_TRAIN), (nth, done)


STOPPED_TRAIN = (130, "recgym: stopped; the same command resumes from the last checkpoint\n")

IN_MAIN = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["recgym", "envs"]
import recgym.cli.main as cli
def press():
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(100): pass
{before}
def envs():
    {body}
cli.app.registered_commands[0].callback = envs
cli.main()
"""


@pytest.mark.parametrize(
    ("before", "body"),
    [
        ("", "press()"),
        # an extension module's start makes another exception of it
        ("", "\n    try: press()\n    except KeyboardInterrupt: raise ImportError('initialisation failed')"),
        ("", "\n    try: press()\n    except KeyboardInterrupt: raise RuntimeError('a bug of somebody')"),
        # a finaliser swallows it: it comes again
        (
            "class Odd:\n    def __del__(self): press()",
            "\n    odd = Odd(); del odd\n    import time; time.sleep(20)",
        ),
        # a second one while the first is tidied up
        ("", "\n    try: press()\n    finally: press()"),
    ],
)
def test_ctrl_c_in_a_command_is_one_line(before, body):
    done = python(IN_MAIN.format(before=before, body=body), timeout=30)
    assert (done.returncode, done.stderr) == (130, "recgym: stopped\n")


def test_ctrl_c_as_python_ends_is_one_line():
    code = "import atexit\natexit.register(lambda: press())" + IN_MAIN.format(before="", body="print('x')")
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (130, "x\n", "recgym: stopped\n")


def test_a_program_that_imports_the_package_keeps_its_own_ctrl_c():
    code = "from signal import *; own = getsignal(SIGINT); import recgym; print(getsignal(SIGINT) is own)"
    assert python(code).stdout == "True\n"


def test_commands_in_a_program_leave_its_handler(run):
    before = signal.getsignal(signal.SIGINT), sys.unraisablehook
    run("envs")
    assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == before


def shell(line, **settings):
    return subprocess.run(
        ["bash", "-c", f"recgym() {{ '{sys.executable}' -m recgym \"$@\"; }}\n{line}"],
        capture_output=True,
        text=True,
        check=False,
        **settings,
    )


@pytest.mark.parametrize("command", ["envs", "envs --json", "card content-1", "--help", "fit --help"])
def test_nobody_reads_on(command):
    done = shell(f"recgym {command} | head -1; exit ${{PIPESTATUS[0]}}")
    assert done.returncode in (0, 1)  # 0: it all went into the pipe before
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_closed_and_full_streams():
    done = shell("recgym envs >&-")
    assert (done.returncode, done.stderr) == (0, "")
    done = shell("recgym card atlantis 2>&-")
    assert (done.returncode, done.stdout) == (2, "")
    if Path("/dev/full").exists():
        done = shell("recgym envs >/dev/full")
        assert (done.returncode, done.stderr) == (2, "recgym: output: No space left on device\n")
        done = shell("recgym card atlantis 2>/dev/full")
        assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_a_disk_without_room_for_a_picture_is_one_line(tmp_path):
    """The disk is a limit on the size of files."""
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "import matplotlib.backends.backend_agg, matplotlib.font_manager\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from recgym.cli.main import main\nmain(['card', 'content-1', '--png', sys.argv[1]])"
    )
    target = tmp_path / "card.png"
    target.write_bytes(b"the one before")
    done = python(code, target)
    assert (done.returncode, done.stderr) == (2, f"recgym: {target}: File too large\n")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"card.png": b"the one before"}


@pytest.mark.parametrize("kind", [MemoryError, RuntimeError])
def test_without_memory_it_is_one_line(run, monkeypatch, kind):
    said = (
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 86800000000000 bytes."  # of torch
    )

    def envs(as_json: bool = False) -> None:
        raise kind(f"{said}\nException raised from ...")

    monkeypatch.setattr("recgym.cli.main.app.registered_commands", [])
    import recgym.cli.main as cli

    cli.app.command()(envs)
    code, out, err = run("envs")
    assert (code, out, err) == (2, "", f"recgym: not enough memory. {said}\n")
    assert os.environ.get("RECGYM_DEBUG") is None
