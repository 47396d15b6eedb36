"""The packages this project stands on: no bound admits a known hole, and every file is known by its digest."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]

FIRST_SAFE = {
    "aiohttp": ("3.13.3", "CVE-2025-69223: a compressed answer fills the memory"),
    "filelock": ("3.20.3", "CVE-2025-68146, CVE-2026-22701: a link in the place of a lock"),
    "fonttools": ("4.60.2", "CVE-2025-66034: a file written elsewhere"),
    "idna": ("3.7", "CVE-2024-3651: a name that takes quadratic time"),
    "jinja2": ("3.1.6", "CVE-2024-56201, CVE-2024-56326, CVE-2025-27516: a template leaves the sandbox"),
    "markdown": ("3.8.1", "CVE-2025-69534: a text that raises"),
    "opencv-python-headless": ("4.12.0", "CVE-2025-53644: a JPEG file writes into the heap"),
    "pillow": ("12.1.1", "CVE-2025-48379, CVE-2026-25990: an image writes out of bounds"),
    "protobuf": ("6.33.5", "CVE-2025-4565, CVE-2026-0994: messages nested without end"),
    "pyarrow": ("23.0.1", "CVE-2023-47248: a file runs code; CVE-2026-25087: a file is used after it was freed"),
    "pyyaml": ("5.4", "CVE-2020-14343: full_load runs code"),
    "ray": ("2.52", "CVE-2025-62593: a web page runs code on a cluster"),
    "requests": ("2.32.4", "CVE-2024-47081: credentials for another host"),
    "scikit-learn": ("1.5", "CVE-2024-5206: training texts are kept in the model"),
    "torch": ("2.10", "CVE-2025-32434, CVE-2026-24747: torch.load with weights_only runs code"),
    "tqdm": ("4.66.3", "CVE-2024-34062: an argument runs code"),
    "transformers": ("4.53", "CVE-2024-11392, CVE-2025-5197: a model's file runs code; texts that take endless time"),
    "urllib3": ("2.6.3", "CVE-2025-66418, CVE-2025-66471, CVE-2026-21441: a compressed answer fills the memory"),
    "werkzeug": ("3.1.5", "CVE-2025-66221, CVE-2026-21860: names of devices of Windows"),
}
"""The first release without the holes that are known for packages of this project."""


def declared() -> Iterator[Requirement]:
    """Yield everything that an installation may bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]:
        yield Requirement(text)


def pinned(file: Path) -> dict[str, tuple[str, int]]:
    """Return version and number of digests of each package in a file for pip, by its canonical name."""
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    found = [
        re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})*)\s*", row) for row in rows(text)
    ]
    assert all(found), [row for row, match in zip(rows(text), found, strict=True) if not match]
    return {canonicalize_name(m[1]): (m[2], m[3].count("--hash")) for m in found if m}


def rows(text: str) -> list[str]:
    return [row for row in text.splitlines() if row and not row.startswith("#")]


@pytest.mark.parametrize("name", FIRST_SAFE)
def test_no_bound_admits_a_release_with_a_known_hole(name: str) -> None:
    bounds = [r for r in declared() if canonicalize_name(r.name) == name]
    assert bounds, f"{name} has no bound"
    for bound in bounds:
        (lowest,) = (Version(one.version) for one in bound.specifier if one.operator in (">=", "=="))
        assert lowest >= Version(FIRST_SAFE[name][0]), (str(bound), FIRST_SAFE[name])


def test_what_the_tests_run_with_is_within_all_bounds_and_each_file_of_it_is_known_by_its_digest() -> None:
    constraints, lock = pinned(ROOT / "constraints.txt"), pinned(ROOT / "locks" / "linux-x86_64.txt")
    for requirement in declared():
        if requirement.name != "daclip-bench":
            assert requirement.specifier.contains(constraints[canonicalize_name(requirement.name)][0]), str(requirement)
    assert {name: version for name, (version, _) in lock.items()} == {
        n: version for n, (version, _) in constraints.items()
    }
    assert all(digests for _, digests in lock.values())
    assert all(digests for _, digests in pinned(ROOT / "locks" / "build.txt").values())
    assert "hatchling" in pinned(ROOT / "locks" / "build.txt")
