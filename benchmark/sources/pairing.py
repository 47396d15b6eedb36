"""Matching degraded files to clean files by name, never by sort order."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import UserError

_ROLES = "no[-_ ]?rain|rain|clean|hazy|haze|clear|no[-_ ]?shadow|shadow[-_ ]?free|shadow|free|low|high|normal|gt|lq"
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


@dataclass(frozen=True)
class Rule:
    """How the name of a degraded image tells its clean partner.

    Arguments:
        degraded: From the degraded image's stem to the identity of the pair.
        clean: From the clean image's stem to the identity of the pair.
        several: Whether several degraded images may share one clean image. Such a rule reads an underscore in a
            degraded name as the end of the clean name, so it is not tried where clean names hold one themselves.
    """

    degraded: Callable[[str], str]
    clean: Callable[[str], str]
    several: bool = False


SAME = Rule(same_stem, same_stem)
ROLE = Rule(without_role, without_role)
VERSIONS = Rule(before_underscore, same_stem, several=True)
RULES = (SAME, ROLE, VERSIONS)


@dataclass(frozen=True)
class Matches:
    """Which names belong together, as positions in the two sequences that were given.

    Arguments:
        pairs: `(degraded, clean)` in the order of the degraded names.
        degraded: Degraded names without a partner, each with the reason.
        clean: Clean names without a partner, each with the reason.
    """

    pairs: list[tuple[int, int]]
    degraded: dict[int, str]
    clean: dict[int, str]


def match(
    degraded: Sequence[str],
    clean: Sequence[str],
    *,
    rules: Sequence[Rule] = RULES,
    roles: tuple[str, str] = ("degraded", "clean"),
) -> Matches:
    """Match two sequences of names by the rule under which most clean ones find a partner, the earliest among equals.

    Arguments:
        degraded: Names without extension; folders before the last `/` must be equal for two names to match.
        clean: Likewise.
        rules: What may tell partners.
        roles: What the two groups are called in reasons.

    Returns:
        The pairs, and what is left over.
    """
    plain = not any("_" in name.rpartition("/")[2] for name in clean)
    fitting = [rule for rule in rules if plain or not rule.several] or rules[:1]
    found = [_match(degraded, clean, rule, roles) for rule in fitting]
    return max(found, key=lambda matches: len({number for _, number in matches.pairs}))


def _match(degraded: Sequence[str], clean: Sequence[str], rule: Rule, roles: tuple[str, str]) -> Matches:
    left, right = _identities(degraded, rule.degraded), _identities(clean, rule.clean)
    pairs: list[tuple[int, int]] = []
    lonely: tuple[dict[int, str], dict[int, str]] = ({}, {})
    for identity in dict.fromkeys([*left, *right]):
        ours, theirs = left.get(identity, []), right.get(identity, [])
        apart = rule.several and len({degraded[number] for number in ours}) == len(ours)
        if len(theirs) == 1 and (len(ours) == 1 or (ours and apart)):
            pairs += [(number, theirs[0]) for number in ours]
            continue
        several = {role: len(names) for role, names in zip(roles, (ours, theirs), strict=True) if len(names) > 1}
        told = " and ".join(f"{n} {role} images" for role, n in several.items())
        lonely[0].update((n, f"{told} go by this name" if told else f"no {roles[1]} image of this name") for n in ours)
        lonely[1].update(
            (n, f"{told} go by this name" if told else f"no {roles[0]} image of this name") for n in theirs
        )
    return Matches(sorted(pairs), *lonely)


def _identities(names: Sequence[str], rule: Callable[[str], str]) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        folder, _, stem = name.rpartition("/")
        found[folder, rule(stem)].append(number)
    return found


def pair_by_name(
    degraded: Sequence[Path],
    clean: Sequence[Path],
    *,
    rules: Sequence[Rule] = RULES,
    roles: tuple[str, str] = ("degraded", "clean"),
) -> list[tuple[Path, Path]]:
    """Give every degraded file its clean partner, and refuse when any file is left over.

    Arguments:
        degraded: Files of the degraded images; only their names count.
        clean: Files of the clean images.
        rules: What may tell partners.
        roles: What the two groups of files are called in errors.

    Returns:
        Pairs `(degraded, clean)` in the order of `degraded`.

    Raises:
        UserError: A file has no partner; the message names some.
    """
    matches = match([p.stem for p in degraded], [p.stem for p in clean], rules=rules, roles=roles)
    told = []
    if matches.degraded:
        lonely = [degraded[number] for number in sorted(matches.degraded)]
        told.append(f"{len(lonely)} {roles[0]} without exactly one {roles[1]} image (e.g. {_examples(lonely)})")
    if matches.clean:
        unused = [clean[number] for number in sorted(matches.clean)]
        told.append(f"{len(unused)} {roles[1]} without a {roles[0]} image (e.g. {_examples(unused)})")
    if told:
        raise UserError(f"images do not pair up by name: {' and '.join(told)}; add the missing files or rename them")
    return [(degraded[d], clean[c]) for d, c in matches.pairs]


def _examples(paths: Sequence[Path]) -> str:
    return ", ".join("/".join(p.parts[-2:]) for p in paths[:3])
