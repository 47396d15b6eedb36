"""Hostile hubs: a push ends in one sentence or in a whole dataset, soon, and the token goes nowhere else."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from download_server import RESET, Server, head, serving_badly
from hostile_hubs import faults, file
from hub_stand_in import TOKEN, Fault, StandIn  # pyright: ignore[reportMissingImports]
from test_push import built, folder, hub, naps, on_disk  # pyright: ignore[reportMissingImports]
from trials import Ended, Tally, bench, counts, flips

from benchmark.publish.hub import guard
from benchmark.publish.hub import repository as hubs
from models.files import sha256_bytes

__all__ = ["built", "folder", "hub", "naps"]  # fixtures


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, naps: list[float]) -> None:
    """Let a push lose its patience soon."""
    monkeypatch.setattr(hubs, "PATIENCE", 3.0)
    monkeypatch.setattr(guard, "SILENCE", 0.4)
    monkeypatch.setattr(guard, "LARGEST", 1 << 20)
    monkeypatch.setattr(guard, "REQUESTS", 60)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def thief() -> Iterator[Server]:
    """A server that gives away nothing and is never to be told the token."""
    with serving_badly() as found:
        found.behaviour = lambda asked: iter([head(200, "Content-Length: 2"), b"{}"])
        yield found


def judge(tally: Tally, name: str, ended: Ended, took: float, thief: Server, naps: list[float], whole: bool) -> None:
    """Count one push: it was refused in a sentence or did all that it should, soon, and kept the token to itself."""
    said = ended.out + ended.err
    plain = all(c.isprintable() or c in "\n\r" for c in said)
    kept = TOKEN not in said and not any(TOKEN in str(asked.headers) for asked in thief.asked)
    held = (ended.refused or (ended.code == 0 and whole)) and plain and kept and took < 15 and sum(naps) <= 5000
    waited = f"{took:.1f} s, waited {sum(naps):.0f} s"
    tally.case(name, held, f"{ended.code}, {waited}, plain {plain}, kept {kept}: {ended.err[-600:]}")


@counts(10, 1000)
def test_hubs_that_answer_wrongly(
    count: int, folder: Path, hub: StandIn, thief: Server, hasty: None, naps: list[float]
) -> None:
    cases = list(faults(hub, thief).items())
    chosen = cases[:: max(1, len(cases) // count)]
    other = {"manifest.json": b'{"digest": "theirs"}', "data/train-0.parquet": b"PAR1"}
    with Tally("hostile answers of a hub") as tally:
        for number, (name, fault) in enumerate(chosen):
            repo = f"me/set{number}"
            if "manifest" in name:
                hub.create(repo, files=other)
            hub.faults, began = [fault], time.monotonic()
            thief.asked.clear()
            naps.clear()
            ended = bench("push", folder, repo, "--endpoint", hub.endpoint, "--replace")
            took = time.monotonic() - began
            whole = repo in hub.repos and hub.files(repo) == on_disk(folder)
            judge(tally, name, ended, took, thief, naps, whole)
            there = hub.files(repo) if repo in hub.repos else {}
            if there.get("manifest.json") == (folder / "manifest.json").read_bytes():
                tally.case(f"whole after {name}", there == on_disk(folder), "a manifest was pushed without all data")
        hub.faults = []
        assert bench("push", folder, "me/last", "--endpoint", hub.endpoint).code == 0
        assert hub.files("me/last") == on_disk(folder)


def drip(data: bytes, pause: float) -> Iterator[bytes | float]:
    for place in range(len(data)):
        yield data[place : place + 1]
        yield pause


def endless(*blocks: bytes) -> Iterator[bytes]:
    yield from blocks[:-1]
    for _ in range(100_000):
        yield blocks[-1]


@counts(3, 100)
def test_hubs_that_speak_no_http(
    count: int, folder: Path, hub: StandIn, thief: Server, hasty: None, naps: list[float]
) -> None:
    good = head(200, "Content-Length: 900")
    behaviours = {
        "nothing": lambda asked: iter(()),
        "reset": lambda asked: iter([RESET]),
        "another protocol": lambda asked: iter([b"SSH-2.0-OpenSSH_9.6\r\n"]),
        "silence": lambda asked: iter([2.0]),
        "silence in the body": lambda asked: iter([good, b"{", 2.0]),
        "a head byte by byte": lambda asked: drip(good, 0.2),
        "a body byte by byte": lambda asked: iter([good, *drip(b" " * 40, 0.2)]),
        "a body without end": lambda asked: endless(head(200), b" " * 65536),
        "chunks without end": lambda asked: endless(head(200, "Transfer-Encoding: chunked"), b"1\r\n \r\n" * 9000),
        "a head without end": lambda asked: endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 9000),
        "100 for ever": lambda asked: endless(head(100) * 1000),
        "a chain without end": lambda asked: iter([head(302, f"Location: /{asked.number}", "Content-Length: 0")]),
    }
    with Tally("hubs that speak no HTTP, or never end") as tally, serving_badly() as nobody:
        for name, behaviour in list(behaviours.items())[:count]:
            thief.behaviour, began = behaviour, time.monotonic()
            naps.clear()
            ended = bench("push", folder, "me/set", "--endpoint", thief.address)
            thief.asked.clear()  # it is the hub here
            took = time.monotonic() - began
            tally.case(f"{name}: refused", ended.refused, f"{ended.code}: {ended.err[-300:]}")
            judge(tally, name, ended, took / 3, nobody, naps, False)


@counts(3, 100)
def test_flips_in_what_a_hub_says_that_it_holds(
    count: int, folder: Path, hub: StandIn, thief: Server, hasty: None, naps: list[float]
) -> None:
    assert bench("push", folder, "me/set", "--endpoint", hub.endpoint).code == 0
    held = []
    for path, data in hub.repos["me/set"].branches["main"][-1][1].items():
        entry = file(path, len(data), hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest())
        if path in hub.repos["me/set"].large:
            entry["lfs"] = {"oid": sha256_bytes(data), "size": len(data), "pointerSize": 130}
        held.append(entry)
    with Tally("flips in a hub's list of files") as tally:
        for place, changed in flips(json.dumps(held).encode(), count):
            hub.faults = [Fault("GET", "/tree/", 200, body=changed)]
            began = time.monotonic()
            naps.clear()
            ended = bench("push", folder, "me/set", "--endpoint", hub.endpoint)
            whole = hub.files("me/set") == on_disk(folder)
            judge(tally, f"byte {place}", ended, time.monotonic() - began, thief, naps, whole)
            hub.faults = []
            tally.case(
                f"mended after byte {place}", bench("push", folder, "me/set", "--endpoint", hub.endpoint).code == 0
            )


@pytest.mark.parametrize("place", ["checked at elsewhere", "the next page at elsewhere"])
def test_a_hub_cannot_have_the_token_sent_to_another_host(
    place: str, folder: Path, hub: StandIn, thief: Server, hasty: None
) -> None:
    hub.faults = [faults(hub, thief)[place]]
    ended = bench("push", folder, "me/set", "--endpoint", hub.endpoint)
    assert ended.refused
    assert "wants the token to be sent to http://127.0.0.1: it was not" in ended.err
    assert thief.asked == []


def test_nothing_that_is_pushed_names_a_place_of_this_machine(folder: Path, hub: StandIn) -> None:
    assert bench("push", folder, "me/set", "--endpoint", hub.endpoint).code == 0
    for path, data in hub.files("me/set").items():
        for word in (str(folder), str(folder.parent), str(Path.home()), str(Path.cwd())):
            assert word == "/" or word.encode() not in data, (path, word)
