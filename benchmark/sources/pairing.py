"""Matching degraded files to clean files by name, never by sort order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from models.errors import UserError

_ROLES = "no[-_ ]?rain|rain|clean|hazy|haze|clear|no[-_ ]?shadow|shadow|free|low|high|normal|gt|lq"
_ROLE_WORDS = re.compile(rf"(?:^|[-_ .])(?:{_ROLES})(?=$|[-_ .])")


def same_stem(stem: str) -> str:
    """Equal names: `1.png` and `1.jpg`."""
    return stem


def without_role(stem: str) -> str:
    """Names that differ by the word for their role: `rain-001` and `norain-001`, `0_rain` and `0_clean`."""
    return _ROLE_WORDS.sub("", stem.lower()).strip("-_ .")


def before_underscore(stem: str) -> str:
    """Several degraded versions of one clean image: `0048_0.9_0.2` and `0048`."""
    return stem.split("_", 1)[0]


RULES: tuple[Callable[[str], str], ...] = (same_stem, without_role, before_underscore)


def pair_by_name(
    degraded: Sequence[Path],
    clean: Sequence[Path],
    *,
    rules: Sequence[Callable[[str], str]] = RULES,
    roles: tuple[str, str] = ("degraded", "clean"),
) -> list[tuple[Path, Path]]:
    """Give every degraded file its clean partner by the first rule that matches them all.

    A rule turns a file stem into an identity. It fits when every degraded file finds exactly one clean file with the
    same identity and no clean file is left over.

    Arguments:
        degraded: Files of the degraded images.
        clean: Files of the clean images.
        rules: Functions from stem to identity, tried in order.
        roles: What the two groups of files are called in errors.

    Returns:
        Pairs `(degraded, clean)` in the order of `degraded`.

    Raises:
        UserError: No rule fits; the message names files without a partner under the rule that came closest.
    """
    best: tuple[int, list[Path], list[Path]] | None = None
    for rule in rules:
        partners: dict[str, list[Path]] = {}
        for path in clean:
            partners.setdefault(rule(path.stem), []).append(path)
        lonely = [p for p in degraded if len(partners.get(rule(p.stem), [])) != 1]
        used = {rule(p.stem) for p in degraded}
        unused = [p for identity, paths in partners.items() if identity not in used for p in paths]
        if not lonely and not unused:
            return [(p, partners[rule(p.stem)][0]) for p in degraded]
        if best is None or len(lonely) + len(unused) < best[0]:
            best = (len(lonely) + len(unused), lonely, unused)
    assert best is not None, "no rules were given"
    _, lonely, unused = best
    told = []
    if lonely:
        told.append(f"{len(lonely)} {roles[0]} without exactly one {roles[1]} image (e.g. {_examples(lonely)})")
    if unused:
        told.append(f"{len(unused)} {roles[1]} without a {roles[0]} image (e.g. {_examples(unused)})")
    raise UserError(f"images do not pair up by name: {' and '.join(told)}; add the missing files or rename them")


def _examples(paths: Sequence[Path]) -> str:
    return ", ".join("/".join(p.parts[-2:]) for p in paths[:3])
