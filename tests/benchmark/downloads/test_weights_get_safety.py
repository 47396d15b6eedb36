"""`bench weights get`: noted digests, no network, full disks, leftovers, and what a package may not bring along."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest
from package_stand_in import Registry, sha256, wheel
from test_weights_get import DATA, offer, registry
from trials import bench  # pyright: ignore[reportMissingImports]

from benchmark.downloads import packages
from benchmark.downloads.addresses import OutOfReach, download
from benchmark.downloads.described import Offer, Package
from benchmark.downloads.fetch import get
from benchmark.downloads.limits import Limits
from benchmark.downloads.offers import OFFERS
from benchmark.downloads.transport import Refused, check_machine
from models.errors import UserError

__all__ = ["registry"]  # a fixture


def test_a_digest_that_nobody_publishes_is_noted_at_first_use_and_shown(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = wheel("model", "1", {"data.pkl": DATA})
    registry.files["/model.pth"] = data
    monkeypatch.setitem(OFFERS, "model", offer(registry))
    for how in ("noted for the next use", "the same as at first use"):
        told = bench("weights", "get", "model", "--folder", tmp_path).out
        assert f"sha256 {sha256(data)}, {how}: its authors publish none" in told
    assert f"noted at first use: {sha256(data)}" in bench("weights", "list", "--folder", tmp_path).out
    # What the address has now is another file: neither the one that is there nor the note gives way to it.
    (tmp_path / "model.pth").unlink()
    registry.files["/model.pth"] = wheel("model", "2", {"data.pkl": DATA})
    with pytest.raises(UserError, match=r"has the sha256 .*\(noted at first use in .*model.pth.digest.json\)"):
        get(OFFERS["model"], tmp_path)
    assert not (tmp_path / "model.pth").exists()


@pytest.mark.slow
def test_without_a_network_it_ends_within_seconds(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_RETRIES", "npm_config_fetch_retries"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1")
    kinds: dict[str, Literal["pypi", "npm"]] = {
        "http://127.0.0.1:1/model.pth": "pypi",
        f"https://{'x' * 64}.invalid/model.pth": "npm",
    }
    for url, kind in kinds.items():
        package = Package(registry=kind, name="made-up", version="1.0", archive="a", sha256="0" * 64, file="m.pt")
        began = time.monotonic()
        with pytest.raises(UserError, match=r"is out of reach .* (cannot fetch|is not installed)"):
            get(Offer(name="model", purpose="", url=url, file="model.pth", package=package), tmp_path)
        assert time.monotonic() - began < 10


def test_a_name_server_that_is_silent_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(3))
    began = time.monotonic()
    with pytest.raises(OutOfReach, match=r"no name server told the address of files.example.org in 0.2 s"):
        download("https://files.example.org/model.pth", tmp_path / "m.pth", limits=Limits(connect=0.2))
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "machine", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "fd00::1", "0.0.0.0"]
)
def test_the_public_network_does_not_lead_inside(machine: str) -> None:
    assert not check_machine(machine, "https://files.example.org/", public=False)
    with pytest.raises(Refused, match="in a private network"):
        check_machine(machine, "https://files.example.org/", public=True)
    assert check_machine("93.184.215.14", "https://files.example.org/", public=True)


def test_a_full_disk_is_told_before_anything_is_fetched(registry: Registry, tmp_path: Path, monkeypatch) -> None:
    registry.files["/model.pth"] = DATA
    usage = shutil.disk_usage(tmp_path)._replace(free=len(DATA))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match=r"model.pth needs 2 MB and .* has 2 MB free: make room, or choose another"):
        get(offer(registry, digest=sha256(DATA)), tmp_path)
    assert not (tmp_path / "model.pth").exists()


def test_the_file_has_the_mode_that_the_user_asks_for(registry: Registry, tmp_path: Path) -> None:
    registry.files["/model.pth"] = DATA
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            path = get(offer(registry, digest=sha256(DATA)), tmp_path / str(mask)).path
        finally:
            os.umask(before)
        assert path.stat().st_mode & 0o777 == mode


def test_what_killed_processes_left_is_swept_and_a_killed_download_ends_well(
    registry: Registry, tmp_path: Path
) -> None:
    for name in (".inception.fetch", ".model.fetch"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "archive.whl").write_bytes(DATA)
    for name in (".inception.lock", ".jorder-e.lock", ".mine.lock"):
        (tmp_path / name).touch()
    registry.files["/model.pth"], registry.break_after = DATA * 20, 5 << 20
    code = (
        "import os, sys; from pathlib import Path; from benchmark.downloads.fetch import get;"
        "from benchmark.downloads.described import Offer;"
        "o = Offer(name='model', purpose='', url=sys.argv[1], file='model.pth', sha256=sys.argv[3]);"
        "get(o, Path(sys.argv[2]), tell=lambda done, total: os.kill(os.getpid(), 9) if done > 3 << 20 else None)"
    )
    digest = sha256(DATA * 20)
    command = [sys.executable, "-c", code, f"{registry.address}/model.pth", str(tmp_path), digest]
    assert subprocess.run(command, check=False).returncode == -9
    assert not (tmp_path / "model.pth").exists()
    registry.break_after = None
    (tmp_path / ".prenet.fetch").mkdir()
    with open(tmp_path / ".prenet.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert get(offer(registry, digest=digest), tmp_path).sha256 == digest
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            ".mine.lock",
            ".prenet.fetch",
            ".prenet.lock",
            "model.pth",
        ]


@pytest.mark.parametrize("kind", ["symlink", "hard link", "folder", "device", "absent", "bomb", "cut"])
def test_nothing_but_a_plain_member_of_a_package_is_taken(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LARGEST", 1 << 20)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("p/w.ckpt")
        types = {"symlink": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "folder": tarfile.DIRTYPE}
        member.type, member.linkname = types.get(kind, tarfile.REGTYPE), str(secret)
        member.type = tarfile.CHRTYPE if kind == "device" else member.type
        member.size = (2 << 20) if kind == "bomb" else 1000 if kind == "cut" else 0
        if kind != "absent":
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    if kind == "cut":
        whole = (tmp_path / "a.tar.gz").read_bytes()
        (tmp_path / "a.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OutOfReach, match=r"a.tar.gz holds no readable p/w.ckpt"):
        packages.copy_member(tmp_path / "a.tar.gz", "p/w.ckpt", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "a.whl", "w", zipfile.ZIP_DEFLATED) as wheeled:
        wheeled.writestr("p/bomb", bytes(2 << 20))
    with pytest.raises(OutOfReach, match=r"unpacks to more than"):
        packages.copy_member(tmp_path / "a.whl", "p/bomb", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) in (["a.tar.gz", "a.whl", "out", "secret"],)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_https_is_checked_and_never_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            to = {"/here": "/model.pth", "/plain": f"http://127.0.0.1:{port}/model.pth"}.get(self.path)
            self.send_response(302 if to else 200)
            self.send_header("Content-Length", "0" if to else str(len(DATA)))
            if to:
                self.send_header("Location", to)
            self.end_headers()
            self.wfile.write(b"" if to else DATA)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the certificate is refused on purpose

    monkeypatch.setenv("no_proxy", "localhost")
    with Quiet(("127.0.0.1", 0), Handler) as server:
        port = server.server_address[1]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address, out = f"https://localhost:{port}", tmp_path / "model.pth"
        with pytest.raises(OutOfReach, match="certificate verify failed"):
            download(f"{address}/model.pth", out, sha256=sha256(DATA))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(OutOfReach, match="it leads from https to http"):
            download(f"{address}/plain", out, sha256=sha256(DATA))
        assert not out.exists()
        assert download(f"{address}/here", out, sha256=sha256(DATA)) == sha256(DATA)
        server.shutdown()
