"""Hostile download servers: afterwards the folder holds the right file, or none and there is a sentence."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from download_server import Server, honest, serving_badly
from hostile_answers import ANSWERS, CONTINUED, HALF, RIGHT
from trials import Tally, counts, flips

from benchmark.downloads.described import Offer
from benchmark.downloads.fetch import get
from benchmark.downloads.limits import Limits
from models.errors import UserError
from models.files import sha256_bytes
from models.weights.noted import note_digest, note_of

LIMITS = Limits(connect=1.0, patience=0.3, window=0.2, lowest=50_000, total=2.0, largest=1 << 20)
PATIENT = Limits(largest=1 << 20)
"""For servers that mean well, on a machine that may be busy."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        with serving_badly() as found:
            yield found


@dataclass(frozen=True)
class Kind:
    """What is known of the weights before: their digest is published, noted at an earlier use, or unknown."""

    name: str

    def offer(self, server: Server, folder: Path) -> Offer:
        """Return the weights, and put the note where it is known."""
        if self.name == "noted":
            note_digest(folder / "model.pth", sha256_bytes(RIGHT))
        digest = sha256_bytes(RIGHT) if self.name == "published" else ""
        return Offer(name="model", purpose="trials", url=f"{server.address}/model.pth", file="model.pth", sha256=digest)


KINDS = tuple(Kind(name) for name in ("published", "noted", "unknown"))


def attempt(
    tally: Tally, name: str, offer: Offer, folder: Path, *, wanted: bytes = RIGHT, limits: Limits = LIMITS
) -> bool:
    """Fetch once and judge what is there afterwards; return whether the file is."""
    began, said = time.monotonic(), ""
    try:
        get(offer, folder, limits=limits)
    except UserError as error:
        said = str(error)
    took, path = time.monotonic() - began, folder / "model.pth"
    there = path.read_bytes() if path.exists() else None
    sentence = bool(said) and said.isprintable() and len(said) < 2000
    held = sentence if there is None else there == wanted and not said
    left = {p.name for p in folder.iterdir()} - {
        *("model.pth", ".model.pth.partial", ".model.pth.partial.json", note_of(path).name)
    }
    tally.case(
        name,
        held and (took < 6 or limits is PATIENT) and not left,
        f"{len(there or b'')} bytes, {took:.1f} s, {left}, {said!r}",
    )
    return there is not None


@counts(30, 1000)
def test_answers_of_hostile_servers(count: int, server: Server, tmp_path: Path) -> None:
    names = list(ANSWERS)
    with Tally("hostile answers to a download") as tally:
        for number, name in enumerate(names[:: max(1, len(names) // count)]):
            for kind in KINDS if count > len(names) else (KINDS[number % 3],):
                folder = tmp_path / f"{number}-{kind.name}"
                folder.mkdir()
                offer, server.behaviour = kind.offer(server, folder), ANSWERS[name]
                server.asked.clear()
                got = attempt(tally, f"{name}, {kind.name}", offer, folder)
                server.behaviour = honest(RIGHT)
                if not got and not attempt(tally, f"honest after {name}, {kind.name}", offer, folder, limits=PATIENT):
                    tally.case(f"recovers from {name}, {kind.name}", False, "the right file was not fetched afterwards")


@counts(12, 1000)
def test_answers_to_a_download_that_is_continued(count: int, server: Server, tmp_path: Path) -> None:
    with Tally("hostile answers to a continued download") as tally:
        cases = list(CONTINUED.items())
        for number, (name, behaviour) in enumerate(cases[:: max(1, len(cases) // count)]):
            for kind in KINDS if count > len(cases) else (KINDS[number % 3],):
                folder = tmp_path / f"{number}-{kind.name}"
                folder.mkdir()
                offer, server.behaviour = kind.offer(server, folder), honest(RIGHT, stop=HALF)
                with pytest.raises(UserError, match="broke off"):
                    get(offer, folder, limits=PATIENT)
                assert (folder / ".model.pth.partial").read_bytes() == RIGHT[:HALF]
                server.behaviour = behaviour
                got = attempt(tally, f"{name}, {kind.name}", offer, folder)
                server.behaviour = honest(RIGHT)
                if not got and not attempt(tally, f"honest after {name}, {kind.name}", offer, folder, limits=PATIENT):
                    tally.case(f"recovers from {name}, {kind.name}", False, "the right file was not fetched afterwards")


@counts(5, 100)
def test_flips_in_what_is_continued(count: int, server: Server, tmp_path: Path) -> None:
    with Tally("flips in a download that is continued") as tally:
        for kind in KINDS:
            server.behaviour = honest(RIGHT, stop=HALF)
            made = tmp_path / f"made-{kind.name}"
            made.mkdir()
            with pytest.raises(UserError):
                get(kind.offer(server, made), made, limits=PATIENT)
            for name in (".model.pth.partial", ".model.pth.partial.json"):
                for place, changed in flips((made / name).read_bytes(), count):
                    folder = tmp_path / f"{kind.name}{name}-{place}"
                    folder.mkdir()
                    for file in made.iterdir():
                        (folder / file.name).write_bytes(file.read_bytes())
                    (folder / name).write_bytes(changed)
                    server.behaviour = honest(RIGHT)
                    got = attempt(tally, f"{name} byte {place}, {kind.name}", kind.offer(server, folder), folder)
                    tally.case(f"fetched after {name} byte {place}, {kind.name}", got, "it was not fetched")


@counts(5, 100)
def test_flips_in_files_that_are_there(count: int, server: Server, tmp_path: Path) -> None:
    server.behaviour = honest(RIGHT)
    with Tally("flips in weights that are there, and in their noted digests") as tally:
        for kind in KINDS:
            folder = tmp_path / kind.name
            folder.mkdir()
            offer = kind.offer(server, folder)
            first = get(offer, folder, limits=PATIENT)
            again = get(offer, folder, limits=PATIENT)
            assert (again.origin, again.sha256) == ("there already", first.sha256)
            assert (again.checked, again.known) == (kind.name == "published", kind.name != "published")
            for path in (folder / "model.pth", *([] if again.checked else [note_of(folder / "model.pth")])):
                whole = path.read_bytes()
                for place, changed in flips(whole, count):
                    path.write_bytes(changed)
                    try:
                        get(offer, folder, limits=LIMITS)
                        said = ""
                    except UserError as error:
                        said = str(error)
                    tally.case(f"{path.name} byte {place}, {kind.name}", bool(said), "it was taken for the right one")
                path.write_bytes(whole)
            get(offer, folder, limits=LIMITS)
