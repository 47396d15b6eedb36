"""A registry and a file server on this machine, for tests of fetching: pip and npm are the real ones."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(name: str, version: str, files: dict[str, bytes]) -> bytes:
    """Return a wheel that pip takes, with some files in it."""
    info = f"{name}-{version}.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


def tarball(files: dict[str, bytes]) -> bytes:
    """Return a compressed tar archive, as source packages and npm's are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class Registry:
    """What the stand-in serves.

    Attributes:
        files: Bytes by path.
        asked: Every request: its path and its Range header.
        break_after: The next answers break off after so many bytes.
        address: Where it listens.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.break_after: int | None = None
        self.ranges = True
        self.address = ""

    def offer_pypi(self, project: str, archive: str, data: bytes) -> None:
        """Put an archive where pip looks for it."""
        self.files[f"/files/{archive}"] = data
        self.files[f"/simple/{project}/"] = f'<a href="/files/{archive}">{archive}</a>'.encode()

    def offer_npm(self, name: str, version: str, data: bytes) -> None:
        """Put an archive where npm looks for it."""
        path = f"/{name}/-/package-{version}.tgz"
        self.files[path] = data
        dist = {"tarball": self.address + path, "shasum": hashlib.sha1(data).hexdigest()}
        entry = {"name": name, "version": version, "dist": dist}
        about = {"name": name, "dist-tags": {"latest": version}, "versions": {version: entry}}
        self.files[f"/{name.replace('/', '%2f')}"] = json.dumps(about).encode()


@contextmanager
def serving() -> Iterator[Registry]:
    """Serve a registry while the block runs."""
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append((self.path, self.headers.get("Range")))
            data = registry.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            start = 0
            if registry.ranges and (asked := re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")):
                start = int(asked[1])
                if start >= len(data):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(data)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("Content-Type", "text/html" if self.path.startswith("/simple") else "application/json")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            sent = data[start:]
            if registry.break_after is not None:
                sent = sent[: registry.break_after]
            self.wfile.write(sent)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # clients that hang up are meant to

    server = Quiet(("127.0.0.1", 0), Handler)
    registry.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
