"""Little memory (`ulimit -v`): commands that cannot even load their libraries say so in a sentence."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest
from processes import run
from small_datasets import small_dataset
from trials import Tally, bench, counts

from benchmark.cli import endings
from models.errors import UserError

MEGABYTES = (200, 400, 700, 1000, 1500, 2000, 3000, 4000)
BEYOND_PYTHON = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGKILL)
"""How a process ends whose libraries in C++ cannot be told of missing memory; nobody writes a sentence then."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small dataset folder."""
    return small_dataset(tmp_path_factory.mktemp("limits") / "data", rows=1)


@counts(2, 5 * len(MEGABYTES))
def test_a_command_short_of_memory_ends_in_a_sentence(data: Path, tmp_path: Path, count: int) -> None:
    photo = next(data.with_name("data-images").glob("*.png"))
    commands: dict[str, list[object]] = {
        "eval": ["eval", "--data", data, "--network", "input", "--protocol", "modern", "--leaderboards", tmp_path],
        "build": ["build-dataset", "--preset", "demo", "--out", tmp_path / "built", "--workers", "1"],
        "restore": ["restore", photo, tmp_path / "photo.png", "--network", "dark-channel"],
        "train": ["train", "nafnet", "--data", data, "--out", tmp_path / "run", "--preset", "demo", "--max-steps", "1"],
        "list": ["list", "networks"],
    }
    cases = [(name, limit) for limit in MEGABYTES for name in commands][:count]
    with Tally("little memory") as tally:
        for name, limit in cases:

            def hold(limit: int = limit) -> None:
                resource.setrlimit(resource.RLIMIT_AS, (limit * 10**6, limit * 10**6))

            done = run(*commands[name], before=hold, seconds=300)
            told = (
                done.returncode == 2 and ("memory" in done.stderr or limit >= 3000) and "Traceback" not in done.stderr
            )
            # Where not even the interpreter has memory to print with, a thread of a bar says so in words of its own.
            told = told or (done.returncode == 2 and "lost sys.stderr" in done.stderr)
            fine = told or done.returncode == 0 or done.returncode in BEYOND_PYTHON
            tally.case(f"{name} within {limit} MB", fine, f"{done.returncode}: {done.stderr[-600:]}")


def raised(error: BaseException) -> tuple[str, int]:
    """Return how a command ends that raised an error."""
    ending = endings.ending_of(error)
    assert ending is not None, error
    return ending


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libtorch_cuda.so: failed to map segment from shared object"),
        ImportError("libx.so: cannot allocate memory in static TLS block"),
        RuntimeError("can't start new thread"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
        type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=str,
)
def test_each_way_of_running_out_of_memory_is_told(error: BaseException) -> None:
    sentence, status = raised(error)
    assert status == 2
    assert "memory ran out" in sentence


@pytest.mark.parametrize(
    ("error", "sentence", "status"),
    [
        (UserError("so"), "so", 2),
        (RecursionError(), "nested too deeply", 2),
        (BrokenPipeError(32, "Broken pipe"), "", 141),
        (KeyboardInterrupt(), "run the same command again", 130),
        (endings.Interrupted(signal.SIGTERM), "run the same command again", 143),
        (OSError(28, "No space left on device", "/d/f"), "/d/f: the disk is full", 2),
        (OSError(122, "Disk quota exceeded", "/d/f"), "/d/f: your share of the disk", 2),
        (OSError(30, "Read-only file system", "/d/f"), "/d/f: the disk can only be read", 2),
        (PermissionError(13, "Permission denied", "/d/f"), "/d/f: access is denied", 2),
        (OSError(24, "Too many open files", "/d/f"), "ulimit -n", 2),
        (OSError(36, "File name too long", "/d/f"), "/d/f: the name is longer", 2),
        (IsADirectoryError(21, "Is a directory", "/d/f"), "/d/f: it is a folder", 2),
        (OSError(40, "Too many levels of symbolic links", "/d/f"), "/d/f: its links", 2),
        (RuntimeError("PytorchStreamWriter failed writing file data/1: file write failed"), "the disk is full", 2),
        (ValueError("embedded null byte"), "NUL", 2),
        (RuntimeError("Could not determine home directory."), "set HOME", 2),
    ],
    ids=repr,
)
def test_every_failure_of_the_system_has_a_sentence_of_its_own(
    error: BaseException, sentence: str, status: int
) -> None:
    told = raised(error)
    assert (sentence in told[0], told[1]) == (True, status), told
    assert "delete" not in told[0]


def test_a_fault_of_our_own_is_no_mistake_of_the_user() -> None:
    assert endings.ending_of(ValueError("a fault")) is None
    assert endings.ending_of(KeyError("a fault")) is None
    assert bench("verify", "/nowhere").refused
