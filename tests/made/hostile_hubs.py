"""Everything that a hostile hub may answer, as faults of the stand-in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

from download_server import Server
from hub_stand_in import Fault, StandIn  # pyright: ignore[reportMissingImports]

BODIES = {
    "a page": b"<html>Log in</html>",
    "nothing": b"",
    "noise": bytes(range(256)),
    "null": b"null",
    "a list": b"[]",
    "a number": b"3",
    "a text": b'"x"',
    "an empty object": b"{}",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "no number": b"NaN",
    "a huge number": b"9" * 5000,
    "a list of lists": b"[[[]], [1], null]",
    "another letter's code": '{"a": 1}'.encode("utf-16"),
    "too much": b'"' + b"x" * (2 << 20) + b'"',
}
PLACES = {
    "look": ("GET", "/api/datasets/[^/]*/[^/]*$"),
    "look at the branch": ("GET", "/revision/"),
    "tree": ("GET", "/tree/"),
    "create": ("POST", "/repos/create"),
    "preupload": ("POST", "/preupload/"),
    "batch": ("POST", "objects/batch"),
    "commit": ("POST", "/commit/"),
    "storage": ("PUT", "/storage/"),
    "manifest": ("GET", "/resolve/"),
}


def actions(make: Callable[[str], object]) -> Callable[[bytes], bytes]:
    """Return what makes a storage's answer whose actions are made of each object's digest."""

    def body(request: bytes) -> bytes:
        objects = [{**entry, "actions": make(entry["oid"])} for entry in json.loads(request)["objects"]]
        return json.dumps({"transfer": "basic", "objects": objects}).encode()

    return body


def modes(**told: object) -> Callable[[bytes], bytes]:
    """Return what makes an answer to the question how files are to be sent."""

    def body(request: bytes) -> bytes:
        files = [
            {"path": f["path"], "uploadMode": "lfs", "shouldIgnore": False, "oid": None} | told
            for f in json.loads(request)["files"]
        ]
        return json.dumps({"files": files}).encode()

    return body


def tree(*entries: object) -> bytes:
    return json.dumps(entries).encode()


def file(path: object, size: object = 3, oid: object = "0" * 40, **further: object) -> dict[str, object]:
    return {"type": "file", "path": path, "size": size, "oid": oid, **further}


def faults(hub: StandIn, thief: Server) -> dict[str, Fault]:
    """Return every fault by its name."""
    other, mine = thief.address, hub.endpoint
    found: dict[str, Fault] = {}
    for place, (method, path) in PLACES.items():
        for name, body in BODIES.items():
            found[f"{name} at {place}"] = Fault(method, path, 200, body=body)
    ways = {
        "elsewhere": f"{other}/x",
        "a file": "file:///etc/passwd",
        "ftp": "ftp://127.0.0.1/x",
        "plain http": "http://192.0.2.1/x",
        "itself": "",
        "nonsense": "https://[::1/x",
        "a control character": "http://127.0.0.1/\t\x01",
    }
    for name, to in ways.items():
        for place in ("look", "tree", "batch", "commit", "manifest"):
            for status in (302, 307):
                method, path = PLACES[place]
                found[f"{place} led to {name} by {status}"] = Fault(method, path, status, headers={"Location": to})
        for verify in (False, True):
            make = lambda oid, to=to, verify=verify: (  # noqa: E731 - one per way
                {"upload": {"href": f"{mine}/storage/{oid}"}, "verify": {"href": to}}
                if verify
                else {"upload": {"href": to}}
            )
            kind = "checked at" if verify else "stored at"
            found[f"{kind} {name}"] = Fault("POST", "objects/batch", 200, body=actions(make))
        link = {"Link": f'<{to or mine + "/api/datasets/me/x/tree/main"}>; rel="next"'}
        found[f"the next page at {name}"] = Fault("GET", "/tree/", 200, headers=link, body=b"[]")
    for name, href in {"a number": 3, "null": None, "a list": [other]}.items():
        found[f"stored at {name}"] = Fault(
            "POST", "objects/batch", 200, body=actions(lambda oid, href=href: {"upload": {"href": href}})
        )
    for size in (0, -1, "x", 10**30, 1):
        found[f"stored in parts of {size}"] = Fault(
            "POST",
            "objects/batch",
            200,
            body=actions(lambda oid, size=size: {"upload": {"href": mine, "header": {"chunk_size": size, "1": other}}}),
        )
    for name, entry in {
        "a list": [],
        "a text": "x",
        "a number": 5,
        "no path": {"type": "file"},
        "a path that is a number": file(5),
        "a path that is a list": file(["x"]),
        "a size in words": file("README.md", "many"),
        "a path that leads out": file("../../etc/passwd"),
        "a path with ESC": file("\x1b[2J\x1b[31mdata/x"),
        "a path that turns": file("data/\u202egnp.exe"),
        "storage that is a list": file("data/x", lfs=[1]),
        "storage without a digest": file("data/x", lfs={"size": 3}),
        "a commit that is a list": file("data/x", lastCommit=[1]),
        "another kind": {"type": "what", "path": "x"},
    }.items():
        found[f"in the tree: {name}"] = Fault("GET", "/tree/", 200, body=tree(entry))
    for commit in (None, 5, "zzz", "../../x", "0" * 5000, "\x1b[2J", ["0" * 40]):
        told = json.dumps({"id": "me/x", "sha": commit, "private": True}).encode()
        found[f"the commit {str(commit)[:10]!a}"] = Fault("GET", "/revision/", 200, body=told)
    waits = {"hours": "7200", "ages": "9" * 12, "for ever": "9" * 400, "below nothing": "-5", "words": "soon"}
    for name, wait in {**waits, "squared": "\xb2", "a date": "Wed, 21 Oct 2099 07:28:00 GMT"}.items():
        for place in ("look", "preupload", "storage", "commit"):
            found[f"{place} waits {name}"] = Fault(*PLACES[place], 429, headers={"Retry-After": wait})
    for place in ("look", "preupload", "storage"):
        told = {"ratelimit": '"api";r=0;t=99999999'}
        found[f"{place} limits the rate for ages"] = Fault(*PLACES[place], 429, headers=told)
    bomb = gzip.compress(bytes(50 << 20))
    for place in ("look", "tree", "batch"):
        found[f"{place} packed"] = Fault(*PLACES[place], 200, headers={"Content-Encoding": "gzip"}, body=bomb)
        found[f"{place} of absurd length"] = Fault(*PLACES[place], 200, headers={"Content-Length": "9" * 15})
        found[f"{place} of length in words"] = Fault(*PLACES[place], 200, headers={"Content-Length": "many"})
        found[f"{place} longer than it is"] = Fault(*PLACES[place], 200, headers={"Content-Length": "900"})
        found[f"{place} cut"] = Fault(*PLACES[place])
    for name, body in {
        "ESC": b'{"error": "\\u001b[2J\\u001b[31mpay me\\u0007"}',
        "a long story": json.dumps({"error": "x" * 900_000}).encode(),
        "a list": b'{"error": [1, {"a": 2}]}',
        "nothing": b'{"error": null}',
    }.items():
        for status in (400, 403, 500):
            found[f"{status} with {name}"] = Fault("POST", "/commit/", status, body=body)
    found["an error of a long head"] = Fault("POST", "/commit/", 403, headers={"X-Error-Message": "y" * 60_000})
    for name, body in {
        "another mode": modes(uploadMode="evil"),
        "everything ignored": modes(shouldIgnore=True),
        "all plain": modes(uploadMode="regular"),
        "everything there": modes(oid="0" * 40),
        "other paths": modes(path="x"),
        "numbers": modes(uploadMode=3, shouldIgnore=4, oid=5),
    }.items():
        found[f"how to send: {name}"] = Fault("POST", "/preupload/", 200, body=body)
    for name, told in {
        "ESC": {"commitUrl": "https://x/\x1b[2J", "commitOid": "0" * 40},
        "no id": {"commitUrl": f"{mine}/datasets/me/x/commit/1"},
        "a number": {"commitUrl": 5, "commitOid": 6},
        "a change that asks for review": {"commitUrl": "x", "commitOid": "0", "pullRequestUrl": "file:///etc/passwd"},
    }.items():
        found[f"committed as {name}"] = Fault("POST", "/commit/", 200, body=json.dumps(told).encode())
    for name, lines in {
        "no tag": {"X-Repo-Commit": "0" * 40},
        "a tag that leads out": {"X-Repo-Commit": "0" * 40, "ETag": '"../../../x"'},
        "a commit that leads out": {"X-Repo-Commit": "../../x", "ETag": '"1"'},
        "a length beside it": {"X-Repo-Commit": "0" * 40, "ETag": '"1"', "X-Linked-Size": "9" * 30},
        "another place": {"X-Repo-Commit": "0" * 40, "ETag": '"1"', "Location": f"{other}/x"},
    }.items():
        found[f"manifest with {name}"] = Fault("HEAD", "/resolve/", 200, headers=lines, body=b"{}")
    return found
