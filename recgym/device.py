"""Names of devices: one rule for agents, fitting and the command line. torch is imported only for a GPU."""

DEVICES = ("auto", "cpu", "cuda", "mps")
FITTING = ("cpu", "cuda")  # devices for fitting; agents with networks can also use MPS


def resolve(device: object, able: tuple[str, ...] = ("cpu", "cuda", "mps"), who: str = "") -> str:
    """The device of a name, such as "cpu" or "cuda:1".

    Args:
        device: "auto" (the first available GPU of `able`, otherwise the CPU), "cpu", "cuda", "cuda:N", "mps", or a
            torch.device; "cpu:0" is "cpu", and "mps:0" "mps".
        able: kinds of devices that can be used.
        who: user of the device, for the message.

    Raises:
        ValueError: an unknown name, one that `who` cannot use, or a GPU that is not available.
    """
    name = str(device)
    kind, colon, number = name.partition(":")
    is_numbered = kind != "auto" and number.isascii() and number.isdecimal()
    if device is None or kind not in DEVICES or (colon and not is_numbered):
        names = ", ".join(map(repr, DEVICES))
        raise ValueError(f"device is {device!r}, allowed: {names}, or one of several GPUs as 'cuda:1'")
    if kind == "auto":
        return next((each for each in ("cuda", "mps") if each in able and _count(each)), "cpu")
    if kind not in able:
        allowed = ", ".join(map(repr, ("auto", *able)))
        raise ValueError(f"device is {name!r}, {who or 'this'} can use only {allowed}")
    if int(number or 0) >= _count(kind):
        raise ValueError(f"device {name!r} is not available here; use 'auto' or 'cpu'")
    return name if kind == "cuda" else kind


def _count(kind: str) -> int:
    """Number of devices of a kind on this machine."""
    if kind == "cpu":
        return 1
    try:
        import torch
    except ImportError:  # no agents are installed
        return 0
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(torch.backends.mps.is_available())
