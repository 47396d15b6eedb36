"""Faults of a hub, of the network and of what was typed: each ends in one sentence, and a rerun in a whole dataset."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hub_stand_in import Fault, StandIn
from test_push import SHARDS, bench_push, built, folder, hub, naps, on_disk, told

__all__ = ["built", "folder", "hub", "naps"]  # fixtures

LASTING = {
    "401": (Fault("GET", "/api/datasets/", 401), "does not accept the token"),
    "402": (Fault("POST", "/repos/create", 402), "asks for payment"),
    "403 on create": (Fault("POST", "/repos/create", 403), "the token may not write to me/set"),
    "403 on commit": (Fault("POST", "/commit/", 403), "the token may not write to me/set (as the test wants)"),
    "404 on create": (Fault("POST", "/repos/create", 404), "knows no me/set or no me"),
    "409 for ever": (Fault("POST", "/commit/", 409), "somebody else is writing to me/set"),
    "412 for ever": (Fault("POST", "/commit/", 412), "somebody else is writing to me/set"),
    "413 on commit": (Fault("POST", "/commit/", 413), "finds the upload too large"),
    "413 on upload": (Fault("PUT", SHARDS, 413), "finds the upload too large"),
    "507 on upload": (Fault("PUT", SHARDS, 507), "the storage of me on"),
    "429 for ever": (Fault("GET", "/api/datasets/", 429), "limits the rate of requests"),
    "429 for hours": (Fault("POST", "/repos/create", 429, headers={"Retry-After": "7200"}), "it asks to wait 7200 s"),
    "500 on look": (Fault("GET", "/api/datasets/", 500), "has a fault of its own (HTTP 500, as the test wants)"),
    "503 on upload": (Fault("PUT", SHARDS, 503), "has a fault of its own (HTTP 503"),
    "418": (Fault("POST", "/repos/create", 418), "refused (HTTP 418)"),
    "cut on look": (Fault("GET", "/api/datasets/"), "broke"),
    "cut on upload": (Fault("PUT", SHARDS), "run the command again, it continues"),
    "cut on commit": (Fault("POST", "/commit/"), "broke"),
    "html": (Fault("GET", "/api/datasets/", 200, body=b"<html>Log in to the Wi-Fi</html>"), "not that of a hub"),
    "other json": (Fault("GET", "/tree/", 200, body=b'[{"what": 1}]'), "not that of a hub"),
    "garbage on preupload": (Fault("POST", "/preupload/", 200, body=b"\x00\xff"), "not that of a hub"),
    "garbage on batch": (Fault("POST", "objects/batch", 200, body=b'{"objects": 3}'), "not that of a hub"),
    "garbage on commit": (Fault("POST", "/commit/", 200, body=b"[]"), "not that of a hub"),
    "batch error": (
        Fault(
            "POST",
            "objects/batch",
            200,
            body=b'{"objects": [{"oid": "0", "size": 1, "error": {"code": 507, "message": "Quota exceeded"}}]}',
        ),
        "Quota exceeded",
    ),
}


@pytest.mark.parametrize("fault", LASTING)
def test_a_lasting_fault_is_one_sentence_and_the_next_push_ends_well(
    fault: str, folder: Path, hub: StandIn, naps: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, sentence = LASTING[fault]
    hub.faults = [Fault(wrong.method, wrong.path, wrong.status, headers=wrong.headers, body=wrong.body)]
    assert bench_push(folder, hub) == 2
    assert sentence in told(capsys)
    assert not any("manifest.json" in files for r in hub.repos.values() for _, files in r.branches["main"])
    assert sum(naps) < 200
    hub.faults = []
    assert bench_push(folder, hub) == 0
    assert hub.files("me/set") == on_disk(folder)


PASSING = {
    "429 with a time": (Fault("POST", "/repos/create", 429, 2, headers={"Retry-After": "7"}), [7.0, 7.0]),
    # The client repeats these requests itself, and adds a second.
    "429 on upload": (Fault("PUT", SHARDS, 429, 1, headers={"Retry-After": "7"}), [8.0]),
    "429 on commit": (Fault("POST", "/commit/", 429, 1, headers={"Retry-After": "7"}), [7.0]),
    "502 on create": (Fault("POST", "/repos/create", 502, 2), [1.0, 2.0]),
    "503 on commit": (Fault("POST", "/commit/", 503, 3), [1.0, 2.0, 4.0]),
    "cut on look": (Fault("GET", "/api/datasets/", 0, 2), [1.0, 2.0]),
    "cut half-way through a shard": (Fault("PUT", SHARDS, 0, 2), [1.0, 2.0]),
    "cut on commit": (Fault("POST", "/commit/", 0, 1), [1.0]),
    "commit whose answer is lost": (Fault("POST", "/commit/", 0, 1, late=True), [1.0]),
    "create whose answer is lost": (Fault("POST", "/repos/create", 0, 1, late=True), [1.0]),
    "garbage once": (Fault("POST", "/commit/", 200, 1, body=b"?"), [1.0]),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_waited_for(fault: str, folder: Path, hub: StandIn, naps: list[float]) -> None:
    wrong, waits = PASSING[fault]
    hub.faults = [Fault(wrong.method, wrong.path, wrong.status, wrong.times, wrong.headers, wrong.body, wrong.late)]
    assert bench_push(folder, hub) == 0
    assert naps == waits
    assert hub.files("me/set") == on_disk(folder)
    history = [files for _, files in hub.repos["me/set"].branches["main"]]
    assert all(earlier != later for earlier, later in pairwise(history))


def test_an_unreachable_hub_is_told(folder: Path, hub: StandIn, naps: list[float], capsys) -> None:
    hub.close()
    assert bench_push(folder, hub) == 2
    assert f"{hub.endpoint} cannot be reached" in told(capsys)
    assert naps == [1.0]


@pytest.mark.slow
def test_without_a_network_it_ends_within_seconds(folder: Path, hub: StandIn, capsys) -> None:
    for address in ("http://127.0.0.1:1", f"https://{'x' * 64}.invalid"):
        began = time.monotonic()
        assert bench_push(folder, hub, "--endpoint", address) == 2
        assert f"{address} cannot be reached" in told(capsys)
        assert time.monotonic() - began < 10


def test_the_token_goes_over_https_or_nowhere(folder: Path, hub: StandIn, capsys) -> None:
    for address, sentence in {
        "http://hub.example.org": "the token would be readable on the way; expected https://",
        "http://127.0.0.1.example.org": "the token would be readable on the way",
        "http://192.0.2.1:8080": "the token would be readable on the way",
        "https://me:secret@hub.example.org": "without a name, password or query",
        "https://hub.example.org?x": "without a name, password or query",
        "ftp://127.0.0.1": "expected an address that begins with https://",
        "file:///tmp": "expected an address that begins with https://",
        "https://": "expected an address that begins with https://",
        "https://[::1": "expected an address that begins with https://",
        "https://hub\x1b[31m.example.org": "expected an address that begins with https://",
    }.items():
        assert bench_push(folder, hub, "--endpoint", address) == 2
        said = told(capsys)
        assert sentence in said
        assert "secret" not in said
        assert "\x1b" not in said


def test_a_dry_run_needs_no_token(folder: Path, hub: StandIn, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert bench_push(folder, hub, "--dry-run") == 0
    count = len(on_disk(folder))
    assert f"would send {count} of {count} files" in capsys.readouterr().out
    assert hub.repos == {}


def test_no_name_in_a_manifest_and_no_link_brings_out_what_is_not_of_the_dataset(
    folder: Path, hub: StandIn, tmp_path: Path, capsys
) -> None:
    secret = tmp_path / "secret.parquet"
    secret.write_bytes(b"PAR1 secret")
    whole = (folder / "manifest.json").read_text()
    shard = json.loads(whole)["shards"][0]["file"]
    for name in ("../secret.parquet", str(secret), "data/../../secret.parquet", "data/./x"):
        (folder / "manifest.json").write_text(whole.replace(shard, name))
        assert bench_push(folder, hub, "--no-verify") == 2
    (folder / "manifest.json").write_text(whole)
    (folder / shard).rename(tmp_path / "moved")
    (folder / shard).symlink_to(secret)
    assert bench_push(folder, hub, "--no-verify") == 2
    assert "by a link" in capsys.readouterr().err
    (folder / shard).unlink()
    (tmp_path / "moved").rename(folder / shard)
    (folder / "captions").symlink_to(tmp_path)
    (tmp_path / "train.parquet").write_bytes((folder / shard).read_bytes())
    assert bench_push(folder, hub) == 2
    assert hub.repos == {}


@pytest.mark.parametrize(
    ("options", "repo", "sentence"),
    [
        ((), "set", "'set' is not the name of a repository: expected NAMESPACE/NAME"),
        ((), "me/a b", "'me/a b' is not the name of a repository"),
        ((), "me/x/y", "'me/x/y' is not the name of a repository"),
        (("--endpoint", "hub.example.org"), "me/set", "expected an address that begins with https://"),
        (("--revision", "refs/pr/1"), "me/set", "expected the name of a branch"),
        (("--token-file", "nowhere"), "me/set", "--token-file nowhere: file not found"),
        ((), "them/set", "the token may not write to them/set (You don't have the rights"),
    ],
)
def test_what_was_typed_wrongly_is_told(options, repo: str, sentence: str, folder: Path, hub: StandIn, capsys) -> None:
    assert bench_push(folder, hub, *options, repo=repo) == 2
    assert sentence in told(capsys)
    assert hub.repos == {}


def test_a_token_comes_from_a_file_or_is_asked_for(
    folder: Path, hub: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert bench_push(folder, hub) == 2
    assert "there is no access token for the hub" in told(capsys)
    file = tmp_path / "token"
    for text in ("", "two words", "ключ"):
        file.write_text(text, encoding="utf-8")
        assert bench_push(folder, hub, "--token-file", str(file)) == 2
        assert "expected one line with an access token" in told(capsys)
    file.write_text("hf_wrong\n")
    assert bench_push(folder, hub, "--token-file", str(file)) == 2
    sentence = told(capsys)
    assert "does not accept the token" in sentence
    assert "hf_wrong" not in sentence
    file.write_text("hf_standin\n")
    assert bench_push(folder, hub, "--token-file", str(file)) == 0
    assert hub.files("me/set") == on_disk(folder)


def test_offline_mode_is_told(folder: Path, hub: StandIn, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert bench_push(folder, hub) == 2
    assert "HF_HUB_OFFLINE is set" in told(capsys)
