"""Joining a Ray cluster, or starting one on this machine, and telling the user why that cannot be done."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.engine.local import default_workers
from models.errors import UserError

FAREWELL = 30.0
"""Seconds that leaving a cluster may take."""


@contextmanager
def connected(address: str | None) -> Iterator[tuple[str, int]]:
    """Be connected to a cluster while the block runs; `benchmark.engine.session.open_session` says to which.

    Yields:
        Host and port at which the head of the cluster answers.

    Raises:
        UserError: Ray is not installed, or the cluster cannot be reached or started.
    """
    mode = os.environ.get("RAY_AUTH_MODE")
    _before_import(address)
    try:
        try:
            import ray
        except ImportError:
            raise UserError("--engine ray needs Ray, which is not installed: pip install 'daclip-bench[ray]'") from None
        if ray.is_initialized():
            yield _head(address)
            return
        try:
            _connect(address)
            yield _head(address)
        finally:
            _leave()
    finally:
        if mode is None:
            os.environ.pop("RAY_AUTH_MODE", None)  # set below, or by Ray when it starts a cluster


def answers(head: tuple[str, int], *, seconds: float) -> bool:
    """Return whether anything takes a connection at this host and port."""
    try:
        socket.create_connection(head, timeout=seconds).close()
    except (OSError, OverflowError):
        return False
    return True


def _before_import(address: str | None) -> None:
    # Ray reads its environment when it is imported.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # or a lost node prints pages about its last moments
    if address is None:
        return
    if "RAY_AUTH_MODE" not in os.environ and _has_token():
        # Newer clusters ask for the token in ~/.ray; those that do not ask are content with being given it.
        os.environ["RAY_AUTH_MODE"] = "token"
    # Where something else than Ray answers, each attempt takes 45 s; the default is 20 attempts.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")


def _connect(address: str | None) -> None:
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)  # before the handlers of ray.init are there
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            # "local", because without an address Ray would join whatever RAY_ADDRESS or an earlier program points to.
            ray.init("local", num_cpus=default_workers(), include_dashboard=False, **quiet)
            return
        if ":" in address and not answers(_parse(address), seconds=10):
            raise UserError(
                f"no Ray cluster answers at --address {address}: start one there with ray start --head, or correct "
                "the address"
            )
        try:
            ray.init(address, **quiet)
        except ConnectionAbortedError:
            # The client server of a young head fails now and then to fork the process for its first client.
            ray.init(address, **quiet)
    except UserError:
        raise
    except Exception as error:  # Ray raises ConnectionError, RuntimeError, ValueError, its own kinds and others
        raise UserError(_why(address, error)) from None


def _why(address: str | None, error: BaseException) -> str:
    """Return the sentence for an exception of `ray.init`."""
    chain: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        chain.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    told = " ".join(" ".join(chain).split())
    if address is None:
        return f"Ray cannot be started on this machine ({chain[0].strip()}): use --engine local, or mend Ray"
    where = f"--address {address}"
    if "AuthToken" in told or ("auth" in told and "token" in told):
        return (
            f"the Ray cluster at {address} asks for a token that this machine does not have: copy ~/.ray/auth_token "
            "from the head node and set RAY_AUTH_MODE=token"
        )
    if "Version mismatch" in told:
        facts = told.split("Version mismatch:")[1].split("This process")[0].strip()
        return f"the Ray cluster at {address} runs other versions than this machine ({facts}): install the same"
    if "Could not find any running Ray" in told:
        return f"{where}: no Ray cluster runs on this machine: start one with ray start --head, or give HOST:PORT"
    if "No node info found" in told:
        return (
            f"this machine is not a node of the Ray cluster at {address}: run ray start --address={address} here "
            "first, or join from outside with --address ray://HOST:10001"
        )
    reason = " ".join(chain[0].split())[-300:] or type(error).__name__
    return (
        f"cannot join a Ray cluster at {where} ({reason}): start one with ray start --head, and give auto, HOST:PORT "
        "of its head, or ray://HOST:PORT"
    )


def _leave() -> None:
    import ray

    # A head that is frozen would hold this process in its farewell, now and once more when the interpreter ends.
    farewell = threading.Thread(target=ray.shutdown, daemon=True)
    farewell.start()
    farewell.join(FAREWELL)
    if farewell.is_alive():
        atexit.unregister(ray.shutdown)


def _head(address: str | None) -> tuple[str, int]:
    import ray

    if address is not None and address.startswith("ray://"):
        return _parse(address)  # the head's own address need not be reachable from outside
    return _parse(ray.get_runtime_context().gcs_address)


def _parse(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(f"--address {address}: expected auto, HOST:PORT of the cluster's head, or ray://HOST:PORT")
    return host.strip("[]"), int(port)


def _has_token() -> bool:
    file = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or Path(file).is_file()
