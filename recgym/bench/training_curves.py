"""Curves of a training in TensorBoard while it runs (`recgym train --tensorboard`)."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from recgym.bench.trainer import Listener


@contextmanager
def tensorboard_of(folder: Path | None, run: str) -> Iterator[tuple[Listener, ...]]:
    """A listener that writes TensorBoard curves to FOLDER/RUN, one for each stage and figure; none without a folder."""
    if folder is None:
        yield ()
        return
    from torch.utils.tensorboard import SummaryWriter

    place = folder / run
    with _writer_errors(place), SummaryWriter(str(place)) as writer:

        def write(stage: str, env_steps: int, figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                writer.add_scalar(f"{stage}/{name}", value, env_steps)

        yield (write,)


@contextmanager
def _writer_errors(place: Path) -> Iterator[None]:
    """Names `place` in an OSError of TensorBoard's thread, which is raised again where the writer is called."""
    hook = threading.excepthook

    def unless_raised_again(failure: threading.ExceptHookArgs) -> None:
        if not isinstance(failure.exc_value, OSError):
            hook(failure)

    threading.excepthook = unless_raised_again
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(place)) from error
    finally:
        threading.excepthook = hook
