"""What a hub may make its client do: which places are asked, where the token goes, how much and how long it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from benchmark.downloads.transport import is_inside, is_loopback
from models.errors import UserError
from models.markdown import shown

LONGEST_WAIT = 900.0
"""Seconds; a hub that asks for more is not waited for."""

PATIENCE = LONGEST_WAIT + 300.0
"""Seconds after which one call is given up, whatever the hub is doing."""

SLOWEST = 10_000.0
"""Bytes a second; sending a file may take so much longer."""

CONNECT, SILENCE = 4.0, 60.0
"""Seconds for a connection, and without a byte, after which there is no answer."""

LARGEST = 64 << 20
"""Bytes; nothing that is asked of a hub has a longer answer."""

REQUESTS = 1000
"""No call takes more."""

REDIRECTS = 5


@dataclass
class Guard:
    """Looks at each request before it is sent and at each answer before it is read.

    Arguments:
        endpoint: Address of the hub.
        met: Whether it has ever answered.
        requests: How many requests the present call has made.
    """

    endpoint: str
    met: bool = False
    requests: int = 0

    def request(self, request: Any) -> None:
        """Refuse a request that no hub may ask for; redirects come by here as well.

        Raises:
            UserError: It is to go to a place, or to take the token to one, where nothing is sent.
        """
        self.requests += 1
        if self.requests > REQUESTS:
            raise UserError(f"{self.endpoint} takes more than {REQUESTS} requests for one call: it is no hub")
        home, url = urlsplit(self.endpoint), urlsplit(str(request.url))
        host, place = url.hostname or "", shown(f"{url.scheme}://{url.hostname}")[:100]
        plain = url.scheme == "http" and home.scheme == "http" and is_loopback(host)
        if (url.scheme != "https" and not plain) or (is_inside(host) and not is_inside(home.hostname or "")):
            raise UserError(f"{self.endpoint} leads to {place}, where nothing is sent: check --endpoint")
        if "authorization" in request.headers and _origin(url) != _origin(home):
            raise UserError(f"{self.endpoint} wants the token to be sent to {place}: it was not; check --endpoint")

    def response(self, response: Any) -> None:
        """Bound an answer.

        Raises:
            UserError: It is packed, too long, or asks for a wait that is too long.
        """
        self.met = True
        after = response.headers.get("Retry-After") or ""
        if not re.fullmatch("[0-9]+", after) and "Retry-After" in response.headers:
            del response.headers["Retry-After"]
        for wait in re.findall(
            r"^([0-9]+)$|t\s*=\s*([0-9]+)", f"{after}\n{response.headers.get('ratelimit') or ''}", re.M
        ):
            asked = wait[0] or wait[1]
            if len(asked) > 6 or int(asked) > LONGEST_WAIT:
                raise UserError(
                    f"{self.endpoint} limits the rate of requests: run the command again later, it continues (it asks "
                    f"to wait {asked[:20]} s)"
                )
        packed = response.headers.get("Content-Encoding") or "identity"
        length = response.headers.get("Content-Length") or "0"
        if packed.strip().lower() != "identity" or not length.isdigit() or len(length) > 12 or int(length) > LARGEST:
            raise UserError(f"{self.endpoint} gives an answer that is packed or too long: check --endpoint")
        response.stream = _bounded(response.stream, self.endpoint)


def _origin(url: Any) -> tuple[str, str, int]:
    return url.scheme, (url.hostname or "").lower(), url.port or (443 if url.scheme == "https" else 80)


def _bounded(stream: Any, endpoint: str) -> Any:
    import httpx2

    class Bounded(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            left = LARGEST
            for block in stream:
                left -= len(block)
                if left < 0:
                    raise UserError(f"{endpoint} gives an answer that is packed or too long: check --endpoint")
                yield block

        def close(self) -> None:
            stream.close()

    return Bounded()


@contextmanager
def guarded(guard: Guard) -> Iterator[None]:
    """Let the hub's client work under a guard while the block runs."""
    import httpx2
    from huggingface_hub import get_session, set_client_factory
    from huggingface_hub.utils._http import default_client_factory  # the only way to put it back

    theirs = get_session().event_hooks["request"]

    def client() -> Any:
        return httpx2.Client(
            event_hooks={"request": [*theirs, guard.request], "response": [guard.response]},
            headers={"Accept-Encoding": "identity"},
            follow_redirects=True,
            max_redirects=REDIRECTS,
            timeout=httpx2.Timeout(SILENCE, connect=CONNECT),
        )

    set_client_factory(client)
    try:
        yield
    finally:
        set_client_factory(default_client_factory)
