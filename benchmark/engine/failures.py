"""What Ray's exceptions mean to the user."""

from __future__ import annotations

import re

from models.errors import UserError

RETRIES = 5
"""How often a job is run again after its worker or node died: enough where nodes come and go, but not for ever."""


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def cause_of(error: Exception, *, cluster: str) -> Exception:
    """Return the exception to raise in place of one of Ray's.

    Arguments:
        error: What fetching a result has raised.
        cluster: How messages call the cluster.

    Returns:
        The job's own exception when it raised one, else a `UserError` that says what became of the job.
    """
    from ray.exceptions import RayTaskError

    if isinstance(error, RayTaskError):
        cause = error.cause
        if isinstance(cause, UserError):
            return cause
        if isinstance(cause, Exception):
            cause.add_note(f"raised by a job of {cluster}:\n{_COLOUR.sub('', str(error))}")
            return cause
        return error
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__).rstrip(".")
    if isinstance(error, deaths()):
        return UserError(
            f"{cluster} has lost a job {RETRIES + 1} times ({reason}): see that its nodes have enough memory, then run "
            "the same command (it continues)"
        )
    return UserError(f"{cluster} cannot run a job ({reason}): mend it, then run the same command (it continues)")


def deaths() -> tuple[type[Exception], ...]:
    """Return the exceptions that mean: the worker or node of a job, or the holder of its result, is dead."""
    from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, RayActorError, WorkerCrashedError

    return NodeDiedError, ObjectLostError, OutOfMemoryError, RayActorError, WorkerCrashedError
