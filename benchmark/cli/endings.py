"""How commands end: one sentence and a status that says why, whatever happened."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import click

from models.errors import UserError

MISTAKE, CLOSED_PIPE = 2, 141
AGAIN = "interrupted: run the same command again to continue"
PATIENCE = 1.5
"""Seconds after a signal in which a command may tidy up; it ends then whatever it does."""

_ADVICE = {
    errno.ENOSPC: "the disk is full: make room or choose another place, then run the same command again",
    errno.EDQUOT: "your share of the disk is used up: make room or choose another place, then run it again",
    errno.EFBIG: "the file would be larger than the system allows (ulimit -f): raise the limit, then run it again",
    errno.EROFS: "the disk can only be read: choose another place",
    errno.EACCES: "access is denied: check the permissions, or choose another place",
    errno.EPERM: "the system does not allow it: check the permissions, or choose another place",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n), or use fewer --workers",
    errno.ENFILE: "too many files are open on this machine: end other programs, then run it again",
    errno.ENAMETOOLONG: "the name is longer than the system allows: give a shorter one",
    errno.EISDIR: "it is a folder, and a file was expected: correct the path",
    errno.ENOTDIR: "a part of the path is a file, and a folder was expected: correct the path",
    errno.ELOOP: "its links lead in a circle: correct them",
    errno.ENOENT: "it is not there: correct the path",
    errno.EEXIST: "it is there already: choose another place",
    errno.EIO: "the disk cannot be read or written: check it, then run the same command again",
    errno.ENOMEM: "memory ran out: end other programs or use fewer --workers, then run the same command again",
}
MEMORY = (
    "memory ran out: end other programs, raise the limit of this shell (ulimit -v), or ask for less at a time (fewer "
    "--workers, a smaller --max-memory or batch), then run the same command again"
)
_SHORT_OF_MEMORY = (
    "failed to map segment",
    "cannot allocate memory",
    "can't allocate memory",
    "can't start new thread",
    "unable to start thread",
    "resource temporarily unavailable",
    "std::bad_alloc",
    "out of memory",
)


def check_room(command: str, megabytes: int) -> None:
    """Refuse a command whose libraries need more addresses than this shell allows.

    Raises:
        UserError: The limit is lower.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < megabytes * 10**6:
        raise UserError(
            f"this shell allows {limit / 1e6:.0f} MB of memory (ulimit -v), and bench {command} needs about "
            f"{megabytes}: raise the limit, then run the same command again"
        )


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM came.

    Arguments:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def quiet_threads() -> None:
    """Let threads that memory runs out of end without a word: the command tells it."""
    usual = threading.excepthook

    def told(what: threading.ExceptHookArgs) -> None:
        if not issubclass(what.exc_type, MemoryError):
            usual(what)

    threading.excepthook = told


@contextmanager
def signals(*, process: bool) -> Iterator[None]:
    """Raise `Interrupted` at the first SIGINT or SIGTERM while the block runs, and end the process at the second.

    Arguments:
        process: Whether the process is this command's own: it then ends soon after the first signal in any case.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def catch(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            os._exit(128 + number)
        if process:
            late = threading.Timer(PATIENCE, _leave, (number,))
            late.daemon = True
            late.start()
        raise Interrupted(number)

    ours = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]  # as nohup has it
    before = {number: signal.signal(number, catch) for number in ours}
    try:
        yield
    finally:
        for number, old in before.items():
            # A command of its own that has ended keeps its status, whatever comes while Python takes itself down.
            signal.signal(number, signal.SIG_IGN if process else old)


def _leave(number: int) -> None:
    with suppress(OSError):
        os.write(2, f"bench: {AGAIN}\n".encode())
    os._exit(128 + number)


def stop_workers() -> None:
    """Stop the worker processes that a command has left."""
    local = sys.modules.get("benchmark.engine.local")
    if local is not None:
        local.stop_pools()


def ending_of(error: BaseException) -> tuple[str, int] | None:
    """Return the sentence and the status with which a command ends that raised `error`; None for a fault of our own."""
    if isinstance(error, click.Abort) and error.__cause__ is not None:
        error = error.__cause__
    match error:
        case UserError():
            return str(error), MISTAKE
        case Interrupted():
            return AGAIN, 128 + error.number
        case KeyboardInterrupt() | click.Abort():
            return AGAIN, 128 + signal.SIGINT
        case EOFError():
            return "the input ended before it was whole: run it again with all of its input", MISTAKE
        case BrokenPipeError():
            return "", CLOSED_PIPE
        case MemoryError():
            return MEMORY, MISTAKE
        case RecursionError():
            return "something that was read is nested too deeply: look at the files that were given", MISTAKE
        case OSError() if error.errno is not None:
            where = f"{error.filename}: " if error.filename is not None else ""
            return where + _ADVICE.get(error.errno, f"{error.strerror or error}: check it, then run it again"), MISTAKE
    return _by_words(error)


def _by_words(error: BaseException) -> tuple[str, int] | None:
    """Return the ending for an exception that only its words tell from others."""
    words = str(error).lower()
    if type(error).__name__ == "OutOfMemoryError" or any(sign in words for sign in _SHORT_OF_MEMORY):
        return MEMORY, MISTAKE
    if "no space left on device" in words or "pytorchstreamwriter failed writing" in words:
        return _ADVICE[errno.ENOSPC], MISTAKE
    if isinstance(error, ValueError) and "embedded null" in words:
        return "a path holds a NUL character: correct the path", MISTAKE
    if isinstance(error, RuntimeError) and "home directory" in words:
        return "there is no home folder: set HOME, or give the folder as an option", MISTAKE
    if isinstance(error, OSError):
        return str(error), MISTAKE
    return None


def tell(sentence: str, status: int) -> int:
    """Print how a command ended on stderr, and return its status: another one when nobody listens."""
    try:
        if sentence:
            click.echo(f"bench: {sentence}", err=True, color=True)
    except BrokenPipeError:
        return CLOSED_PIPE
    except (OSError, ValueError):
        pass  # the status tells it
    return status


def tell_fault(error: BaseException) -> None:
    """Print the traceback of a fault of our own."""
    with suppress(OSError, ValueError):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False, color=True)


def flush(status: int) -> int:
    """Hand over what was printed, and return the status: another one when that cannot be done.

    Left to the end of the interpreter, a closed pipe or a full disk would be told in words of its own.
    """
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError) as error:
            _forget(stream, number)
            if isinstance(error, BrokenPipeError):
                status = CLOSED_PIPE
            elif number == 1 and isinstance(error, OSError):
                status = tell(*(ending_of(error) or (str(error), MISTAKE)))
    return status


def _forget(stream: Any, number: int) -> None:
    """Let what a stream still holds go nowhere, so that closing it raises nothing."""
    with suppress(OSError, ValueError, AttributeError):
        if stream.fileno() == number:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


def open_streams() -> None:
    """Open what a shell has closed of stdin, stdout and stderr, so that no file of ours gets the place of one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
