"""Asking an address over HTTPS: each hop is checked before it is made, and only http and https exist here at all."""

from __future__ import annotations

import functools
import ipaddress
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from string import punctuation
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from benchmark.downloads.limits import Limits, Watch, WatchedResponse

MOVED = (301, 302, 303, 307, 308)


class Refused(HTTPException):
    """An answer, or a place to which one leads, that is not gone along with; the text says why."""


@contextmanager
def asked(url: str, headers: dict[str, str], limits: Limits) -> Iterator[tuple[HTTPResponse, Watch]]:
    """Ask an address and those to which it leads; yield the first answer that leads nowhere, and the watch over it.

    The proxies of the environment are used. Plain http is for this machine alone, and no address of the public network
    may lead to this machine or to a private network.

    Raises:
        OSError, HTTPException, ValueError: There is no answer, or none that may be used.
    """
    public = False  # whether any of the addresses so far was one of the public network
    for _ in range(limits.hops + 1):
        _check_address(url)
        watch, inside = Watch(limits), []

        def met(machine: str, *, url: str = url, public: bool = public, inside: list[str] = inside) -> None:
            if not check_machine(machine, url, public=public):
                inside.append(machine)

        if machine := _machine(urlsplit(url).hostname or ""):
            met(machine)
        request = urllib.request.Request(url, headers=headers)
        with _opener(watch, met).open(request, timeout=limits.connect) as answer:
            to = answer.headers.get("Location")
            if answer.status not in MOVED or to is None:
                yield answer, watch
                return
            further = urljoin(url, quote(to, safe=punctuation))
        if urlsplit(url).scheme == "https" and urlsplit(further).scheme != "https":
            raise Refused(f"it leads from https to {urlsplit(further).scheme[:20]}")
        url, public = further, public or not inside
    raise Refused(f"it leads to another address more than {limits.hops} times")


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise Refused(f"it leads to an address of the kind {parts.scheme or 'none'}: expected https://HOST/")
    if parts.scheme == "http" and not is_loopback(host):
        raise Refused(f"it leads to {host} by http: expected https")


def check_machine(machine: str, url: str, *, public: bool) -> bool:
    """Return whether a machine is one of the public network.

    Arguments:
        machine: Its number.
        url: The address that it stands for.
        public: Whether an address before this one, which led to it, was one of the public network.

    Raises:
        Refused: The public network leads to this machine, or into a private network.
    """
    if ipaddress.ip_address(machine).is_global:
        return True
    if public:
        raise Refused(f"it leads to {urlsplit(url).hostname}, which is {machine} in a private network")
    return False


def is_loopback(host: str) -> bool:
    """Return whether a host of an address is this machine."""
    machine = _machine(host)
    return machine is not None and ipaddress.ip_address(machine).is_loopback


def is_inside(host: str) -> bool:
    """Return whether a host of an address is, by its very name, this machine or one of a private network."""
    machine = _machine(host)
    return machine is not None and not ipaddress.ip_address(machine).is_global


def _machine(host: str) -> str | None:
    """Return the machine that a host names without any name server, or None."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return "127.0.0.1" if host == "localhost" else None


def _opener(watch: Watch, met: Callable[[str], None]) -> urllib.request.OpenerDirector:
    """Return an opener for one request; `met` is called with the machine before anything is sent to it."""

    def connection(kind: type[Any], direct: bool, *arguments: Any, **named: Any) -> Any:
        made = kind(*arguments, **named)
        made.response_class = functools.partial(WatchedResponse, watch=watch)

        def connect(address: tuple[str, int], *_: Any) -> socket.socket:
            sock = connected(*address, watch.limits.connect)
            try:
                if direct:
                    met(sock.getpeername()[0].split("%")[0])
            except Refused:
                sock.close()
                raise
            return sock

        made._create_connection = connect
        return made

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> HTTPResponse:
            made: Any = functools.partial(connection, HTTPConnection, not _by_proxy(req))
            return self.do_open(made, req)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> HTTPResponse:
            made: Any = functools.partial(connection, HTTPSConnection, not _by_proxy(req))
            return self.do_open(made, req, context=ssl.create_default_context())

    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), Plain(), Secure(), urllib.request.UnknownHandler()):
        opener.add_handler(handler)
    return opener


def _by_proxy(request: urllib.request.Request) -> bool:
    return request.has_proxy() or bool(getattr(request, "_tunnel_host", None))


def connected(host: str, port: int, seconds: float) -> socket.socket:
    """Return a connection; finding the address may take so many seconds, and so may connecting to it.

    Raises:
        OSError: There is no such host, or it does not answer in time.
    """
    found: list[Any] = []

    def look() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    # The system's own patience with a silent name server is half a minute and cannot be set from here.
    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(seconds)
    if not found:
        raise TimeoutError(f"no name server told the address of {host} in {seconds:g} s")
    if isinstance(found[0], Exception):
        raise found[0]
    failed: OSError = OSError(f"{host} has no address")
    for kind, how, protocol, _, address in found[0]:
        sock = socket.socket(kind, how, protocol)
        sock.settimeout(seconds / len(found[0]))
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            failed = error
        else:
            sock.settimeout(seconds)
            return sock
    raise failed
