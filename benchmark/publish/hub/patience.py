"""How long a hub is waited for: seconds until it is known to be out of reach, and an end to every call."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from benchmark.downloads.transport import connected
from benchmark.publish.hub.guard import CONNECT
from models.errors import UserError

T = TypeVar("T")


def reach(endpoint: str, wait: float) -> None:
    """Find out within seconds that there is no network, where the hub's client would go on trying.

    Nothing is done where a proxy stands between, or where the client is not to use the network at all.

    Arguments:
        endpoint: Address of the hub.
        wait: Seconds before the second and last try.

    Raises:
        UserError: The hub cannot be reached.
    """
    from huggingface_hub import constants

    address = urlsplit(endpoint)
    host = address.hostname or ""
    proxies = urllib.request.getproxies()
    by_proxy = (address.scheme in proxies or "all" in proxies) and not urllib.request.proxy_bypass(host)
    if by_proxy or constants.is_offline_mode():
        return
    for last in (False, True):
        try:
            connected(host, address.port or (443 if address.scheme == "https" else 80), CONNECT).close()
            return
        except (OSError, UnicodeError) as error:
            if last:
                raise UserError(f"{endpoint} cannot be reached ({error}): check the network and --endpoint") from None
        time.sleep(wait)


def within(function: Callable[[], T], seconds: float, endpoint: str) -> T:
    """Return what a function returns, or raise what it raises; it is left alone when it takes too long.

    Raises:
        UserError: It took too long.
    """
    done: list[Any] = []

    def work() -> None:
        try:
            done.append((function(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=work, daemon=True)  # one that never ends does not keep the process
    thread.start()
    thread.join(seconds)
    if not done:
        raise UserError(
            f"{endpoint} did not come to an end within {seconds:.0f} s: run the command again, it continues"
        )
    value, error = done[0]
    if error is not None:
        raise error
    return value
