"""Memory that is left to this process, for a clear error before arrays that cannot fit."""

import os
import sys
from contextlib import suppress
from pathlib import Path

SMALL_BYTES = 256 << 20  # arrays that are not checked
_MEMINFO = Path("/proc/meminfo")
_LIMITS = (  # of a container, cgroups 2 and 1: folder; files of the limit and the use; pages that can be freed
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def require_memory(size: float, name: str, value: object) -> None:
    """ValueError that names an argument if arrays of `size` bytes, which it asks for, do not fit into memory."""
    if size <= SMALL_BYTES:
        return
    left = memory_left()
    if left is not None and size > left:
        raise ValueError(
            f"{name} is {value}: that needs {_gigabytes(size)} of memory, and {_gigabytes(left)} are left"
        )


def memory_left() -> int | None:
    """[bytes] that this process may still use: of the machine, its container and its own limit; None: unknown."""
    found = [_of_machine(), _of_process(), *(_of_container(*files) for files in _LIMITS)]
    known = [size for size in found if size is not None]
    return max(min(known), 0) if known else None


def _of_machine() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    with suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_container(folder: Path, limit: str, used: str, free: str) -> int | None:
    """Of a cgroup; None without one, or without a limit."""
    with suppress(OSError, ValueError, StopIteration):
        most, now = (int((folder / name).read_text(encoding="ascii")) for name in (limit, used))
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
        return most - now + next(int(line.split()[1]) for line in lines if line.startswith(f"{free} "))
    return None


def _of_process() -> int | None:
    """Of the limit of the address space, `ulimit -v`."""
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return limit - pages * os.sysconf("SC_PAGE_SIZE")
    return limit


def _gigabytes(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB"
