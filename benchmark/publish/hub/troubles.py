"""What can go wrong between here and a hub: each failure becomes one sentence, and is known to pass or to stay."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from models.errors import UserError
from models.markdown import shown

LONGEST = 200
"""Characters of a server's own words that a message repeats."""

_TRANSPORT = ("httpx2", "httpx", "requests", "urllib3", "hf_xet")
"""Packages whose exceptions mean that no whole answer came."""


@dataclass(frozen=True)
class Target:
    """Where a dataset goes.

    Arguments:
        endpoint: Address of the hub.
        repo: `"namespace/name"`.
        branch: Branch of the repository.
    """

    endpoint: str
    repo: str
    branch: str = "main"

    @property
    def namespace(self) -> str:
        """The user or organisation."""
        return self.repo.split("/")[0]


@dataclass(frozen=True)
class Trouble:
    """One failure.

    Arguments:
        sentence: What happened and what to do.
        passes: Whether trying again may help.
        wait: Seconds that the server asks to wait, if it does.
        status: The HTTP status, if there was an answer.
    """

    sentence: str
    passes: bool = False
    wait: float | None = None
    status: int | None = None


def diagnose(error: Exception, target: Target) -> Trouble | None:
    """Return what an exception of the hub's client means, or None when it did not come from talking to a hub.

    Arguments:
        error: What a call of `huggingface_hub` raised.
        target: The repository that the call was about.

    Raises:
        OSError: It came from the disk.
    """
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    root: BaseException = error
    while True:  # the client wraps some failures in others
        if isinstance(root, UserError):  # the guard's
            return Trouble(str(root))
        if isinstance(root, HfHubHTTPError):
            return _answer(root, target)
        if isinstance(root, OfflineModeIsEnabled):
            return Trouble("HF_HUB_OFFLINE is set, so nothing can be pushed: unset it and run the command again")
        if type(root).__module__.split(".")[0] in _TRANSPORT:
            return _no_answer(root, target)
        if root.__cause__ is None:
            break
        root = root.__cause__
    # What the client stumbles over when an answer is not what it takes for granted: wrong types, deep JSON, no number.
    stumbles = (LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, RecursionError, UnicodeError)
    stumbled = isinstance(root, stumbles) or type(root).__name__ == "JSONDecodeError"
    told = type(root).__module__.startswith("huggingface_hub") or (isinstance(root, OSError) and root.errno is None)
    if stumbled or told:
        return _garbage(target)
    if isinstance(root, ValueError):
        malformed = any(word in str(root).lower() for word in ("malformed", "improperly formatted"))
        return _garbage(target) if malformed else Trouble(f"{target.endpoint} refused: {_words(str(root))}")
    if isinstance(root, OSError):  # a disk's: the client may have wrapped it
        raise root
    return None


def _garbage(target: Target) -> Trouble:
    sentence = f"the answer of {target.endpoint} is not that of a hub: check --endpoint and any proxy in between"
    return Trouble(sentence, passes=True)


def _no_answer(error: BaseException, target: Target) -> Trouble:
    if "Connect" in type(error).__name__:
        text = f"{target.endpoint} cannot be reached ({_words(str(error))}): check the network and --endpoint"
    else:
        text = f"the connection to {target.endpoint} broke ({_words(str(error))}): run the command again, it continues"
    return Trouble(text, passes=True)


def _answer(error: Any, target: Target) -> Trouble:
    status = int(error.response.status_code)
    said = _words(getattr(error, "server_message", None) or "")
    told = f" ({said})" if said else ""
    hub, repo = target.endpoint, target.repo
    again = "run the command again later, it continues"
    sentences = {
        401: f"{hub} does not accept the token{told}: make one with write access at {hub}/settings/tokens, then give "
        "it with hf auth login, HF_TOKEN or --token-file",
        402: f"{hub} asks for payment{told}: see the plan of {target.namespace}",
        403: f"the token may not write to {repo}{told}: use one with write access to {target.namespace}",
        404: f"{hub} knows no {repo} or no {target.namespace} for this token{told}: check the name and the token",
        409: f"somebody else is writing to {repo}{told}: {again}",
        412: f"somebody else is writing to {repo}{told}: {again}",
        413: f"{hub} finds the upload too large{told}: see its limits for {target.namespace}",
        429: f"{hub} limits the rate of requests{told}: {again}",
        507: f"the storage of {target.namespace} on {hub} is full{told}: free some or extend the plan, then {again}",
    }
    if status in sentences:
        return Trouble(sentences[status], status in (409, 412, 429), _retry_after(error.response), status)
    if status >= 500 or status == 408:
        sentence = f"{hub} has a fault of its own (HTTP {status}{f', {said}' if said else ''}): {again}"
        return Trouble(sentence, True, _retry_after(error.response), status)
    return Trouble(f"{hub} refused (HTTP {status}){told}: check the name, the token and --endpoint", status=status)


def _retry_after(response: Any) -> float | None:
    value = str(response.headers.get("Retry-After") or "").strip()
    return float(value) if re.fullmatch("[0-9]+", value) else None


def _words(text: str) -> str:
    """Return the first telling line of what a server or library said, short enough for a sentence."""
    lines = [line.strip().rstrip(".:") for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].lower().endswith(("returned errors", "in readme.md")):
        lines[0] = f"{lines[0]}: {lines[1].lstrip('- ')}"
    return shown(lines[0][:LONGEST]) if lines else ""
