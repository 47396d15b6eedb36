"""A small Hugging Face hub on 127.0.0.1: repositories, branches, LFS storage and commits, with faults on request."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_standin"


@dataclass
class Fault:
    """An answer that is not the right one.

    Arguments:
        method: Of the requests that get it.
        path: Regular expression searched for in their paths.
        status: The status, 0 to cut the connection after half of the body was read.
        times: How many of them get it.
        headers: Further headers of the answer.
        body: The answer, or what makes it out of the request.
        late: Whether the request takes effect all the same, as when only its answer is lost.
    """

    method: str
    path: str
    status: int = 0
    times: int = 1_000_000
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Callable[[bytes], bytes] = b'{"error": "as the test wants"}'
    late: bool = False


@dataclass
class Repo:
    """A repository: each branch is a list of commits, each a mapping from path to bytes."""

    private: bool
    branches: dict[str, list[tuple[str, dict[str, bytes]]]]
    large: set[str] = field(default_factory=set)  # paths kept in LFS storage


class StandIn:
    """The server; `repos` and `requests` may be read, `faults` may be set at any time."""

    def __init__(self, namespaces: tuple[str, ...] = ("me",)) -> None:
        self.namespaces = namespaces
        self.repos: dict[str, Repo] = {}
        self.storage: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.received = 0  # bytes put into storage
        stand_in = self

        class Handler(_Handler):
            hub = stand_in

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def files(self, repo: str, branch: str = "main") -> dict[str, bytes]:
        """Return what a branch holds, without the file that the hub makes itself."""
        return {path: data for path, data in self.repos[repo].branches[branch][-1][1].items() if path[:4] != ".git"}

    def create(self, repo: str, *, private: bool = True, files: dict[str, bytes] | None = None) -> None:
        """Make a repository, with files that somebody put there."""
        first = {".gitattributes": b"*.parquet filter=lfs\n", **(files or {})}
        self.repos[repo] = Repo(private, {"main": [(_commit_id(repo, 0), first)]})


def _commit_id(*parts: object) -> str:
    return hashlib.sha1("/".join(map(str, parts)).encode()).hexdigest()


def _blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent about clients that hang up."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Refused(Exception):
    def __init__(self, status: int, message: str, code: str = "", **further: str) -> None:
        self.status, self.message, self.code, self.further = status, message, code, further


class _Handler(BaseHTTPRequestHandler):
    hub: StandIn
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: without it each waits 40 ms for an acknowledgement
    routes = (
        ("POST", r"/api/repos/create", "create"),
        ("POST", r"/api/validate-yaml", "validate"),
        ("GET", r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)", "tree"),
        ("GET", r"/api/datasets/([^/]+/[^/]+?)(?:/revision/([^/]+))?", "info"),
        ("PUT", r"/api/datasets/([^/]+/[^/]+)/settings", "settings"),
        ("POST", r"/api/datasets/([^/]+/[^/]+)/branch/([^/]+)", "branch"),
        ("POST", r"/api/datasets/([^/]+/[^/]+)/preupload/([^/]+)", "preupload"),
        ("POST", r"/api/datasets/([^/]+/[^/]+)/commit/([^/]+)", "commit"),
        ("POST", r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", "batch"),
        ("PUT", r"/storage/([0-9a-f]{64})", "store"),
        ("GET", r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "resolve"),
    )

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_HEAD = do_GET

    def _serve(self) -> None:
        hub, path = self.hub, urlsplit(self.path).path
        hub.requests.append((self.command, path))
        fault = next((f for f in hub.faults if f.method == self.command and re.search(f.path, path) and f.times), None)
        length = int(self.headers.get("Content-Length") or 0)
        if fault is not None:
            fault.times -= 1
            if not fault.status and not fault.late:
                self.rfile.read(length // 2)
                return self._cut()
        self.body = (
            self._chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self.rfile.read(length)
        )
        if fault is None or fault.late:
            status, headers, body = self._answer(path)
        else:
            status, headers = fault.status, fault.headers
            body = fault.body(self.body) if callable(fault.body) else fault.body
        if fault is not None and not fault.status:
            return self._cut()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)
        return None

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        try:
            for method, pattern, name in self.routes:
                found = re.fullmatch(pattern, path)
                if found and method == self.command.replace("HEAD", "GET"):
                    if name != "store" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                        raise Refused(401, "Invalid credentials in Authorization header")
                    told = getattr(self, f"_{name}")(*(unquote(g) if g else g for g in found.groups()))
                    return told if isinstance(told, tuple) else (200, {}, json.dumps(told).encode())
            raise Refused(404, f"no {self.command} {path}")
        except Refused as refused:
            headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
            return refused.status, headers, json.dumps({"error": refused.message, **refused.further}).encode()

    def _repo(self, name: str) -> Repo:
        if name not in self.hub.repos:
            raise Refused(404, "Repository not found", "RepoNotFound")
        return self.hub.repos[name]

    def _head(self, name: str, revision: str | None) -> tuple[str, dict[str, bytes]]:
        branches = self._repo(name).branches
        if revision in (None, *branches):
            return branches[revision or "main"][-1]
        for commit, files in (entry for history in branches.values() for entry in history):
            if commit == revision:
                return commit, files
        raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def _create(self) -> dict[str, Any]:
        told = json.loads(self.body)
        name = f"{told['organization']}/{told['name']}"
        if told["organization"] not in self.hub.namespaces:
            raise Refused(403, "You don't have the rights to create a dataset under this namespace")
        if name in self.hub.repos:
            raise Refused(409, "You already created this dataset repo", url=f"{self.hub.endpoint}/datasets/{name}")
        self.hub.create(name, private=told.get("private", told.get("visibility") == "private"))
        return {"url": f"{self.hub.endpoint}/datasets/{name}", "name": name, "id": name}

    def _validate(self) -> dict[str, Any]:
        return {"errors": [], "warnings": []}

    def _info(self, name: str, revision: str | None) -> dict[str, Any]:
        commit, files = self._head(name, revision)
        private = self._repo(name).private
        return {"id": name, "sha": commit, "private": private, "siblings": [{"rfilename": path} for path in files]}

    def _settings(self, name: str) -> dict[str, Any]:
        told = json.loads(self.body)
        self._repo(name).private = told.get("private", told.get("visibility") == "private")
        return {}

    def _branch(self, name: str, branch: str) -> dict[str, Any]:
        branches = self._repo(name).branches
        if branch in branches:
            raise Refused(409, "Reference already exists")
        branches[branch] = branches["main"][-1:]
        return {}

    def _tree(self, name: str, revision: str) -> list[dict[str, Any]]:
        large = self._repo(name).large
        told: list[dict[str, Any]] = []
        for path, data in self._head(name, revision)[1].items():
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": _blob_id(data)}
            if path in large:
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            told.append(entry)
        return told

    def _preupload(self, name: str, branch: str) -> dict[str, Any]:
        self._head(name, branch)
        told = json.loads(self.body)
        return {
            "files": [
                {
                    "path": f["path"],
                    "uploadMode": "lfs" if f["path"].endswith(".parquet") else "regular",
                    "shouldIgnore": "gitIgnore" not in told,
                    "oid": None,
                }
                for f in told["files"]
            ]
        }

    def _batch(self, name: str) -> dict[str, Any]:
        self._repo(name)
        told = []
        for entry in json.loads(self.body)["objects"]:
            place = {"upload": {"href": f"{self.hub.endpoint}/storage/{entry['oid']}"}}
            told.append({**entry, **({} if entry["oid"] in self.hub.storage else {"actions": place})})
        return {"transfer": "basic", "objects": told}

    def _store(self, digest: str) -> dict[str, Any]:
        if hashlib.sha256(self.body).hexdigest() != digest:
            raise Refused(400, "the bytes do not match their digest")
        self.hub.storage[digest] = self.body
        self.hub.received += len(self.body)
        return {}

    def _commit(self, name: str, branch: str) -> dict[str, Any]:
        lines = [json.loads(line) for line in self.body.splitlines() if line]
        head, files = self._head(name, branch)
        if lines[0]["value"].get("parentCommit") not in (None, head):
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        repo, files = self._repo(name), dict(files)
        for line in lines[1:]:
            value, path = line["value"], line["value"]["path"]
            repo.large.discard(path)
            if line["key"] == "file":
                files[path] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.storage:
                    raise Refused(400, "there is no such object in the storage")
                files[path] = self.hub.storage[value["oid"]]
                repo.large.add(path)
            elif line["key"] == "deletedFile":
                if path not in files:
                    raise Refused(400, "there is no such file to delete")
                del files[path]
        commit = _commit_id(name, branch, len(repo.branches[branch]))
        repo.branches[branch] = [*repo.branches[branch], (commit, files)]
        return {"commitUrl": f"{self.hub.endpoint}/datasets/{name}/commit/{commit}", "commitOid": commit}

    def _resolve(self, name: str, revision: str, path: str) -> tuple[int, dict[str, str], bytes]:
        commit, files = self._head(name, revision)
        if path not in files:
            raise Refused(404, "Entry not found", "EntryNotFound")
        return 200, {"X-Repo-Commit": commit, "ETag": f'"{_blob_id(files[path])}"'}, files[path]
