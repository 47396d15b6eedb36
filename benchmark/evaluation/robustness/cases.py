"""What robustness is measured under: the ten types, degradations beyond them and mixtures, each at five levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.degradations.specs.severity import LEVELS, SEVERITY, severity_spec
from models.errors import UserError, close_match
from models.vocabulary import DEGRADATIONS


@dataclass(frozen=True, kw_only=True)
class Case:
    """One degradation or mixture.

    Arguments:
        name: In results and on pages.
        kind: "known" for the ten types, "unseen" for what none of them is, "mixed" for several at once.
        specs: The pipeline of each level, from weak to strong.
    """

    name: str
    kind: str
    specs: tuple[str, ...]


PHOTONS = ("0.8", "1.2", "1.8", "2.6", "4")
CUTOFFS = ("2.2", "1.6", "1.2", "0.9", "0.6")
BEYOND = {
    "photon-noisy": tuple(f"poisson(scale={scale})" for scale in PHOTONS),
    "ringing": tuple(f"sinc(size=21, cutoff={cutoff})" for cutoff in CUTOFFS),
}
"""Unseen degradations beside the kinds of blur that have severity levels."""

MIXTURES = (
    ("hazy", "rainy"),
    ("snowy", "hazy"),
    ("low-light", "noisy"),
    ("motion-blurry", "jpeg-compressed"),
    ("noisy", "jpeg-compressed"),
)
"""In the order in which they happen to a photo: the scene, the lens, the sensor, the file."""


def _cases() -> tuple[Case, ...]:
    known = [Case(name=word, kind="known", specs=SEVERITY[word]) for word in DEGRADATIONS]
    levelled = {word: specs for word, specs in SEVERITY.items() if word not in DEGRADATIONS}
    unseen = [Case(name=word, kind="unseen", specs=specs) for word, specs in {**levelled, **BEYOND}.items()]
    mixed = [
        Case(
            name="+".join(words),
            kind="mixed",
            specs=tuple(" | ".join(severity_spec(word, level) for word in words) for level in LEVELS),
        )
        for words in MIXTURES
    ]
    return (*known, *unseen, *mixed)


CASES: dict[str, Case] = {case.name: case for case in _cases()}
"""All cases, known ones first."""


def chosen_cases(names: Sequence[str]) -> tuple[Case, ...]:
    """Return the cases of these names or kinds, in the order of `CASES`; all for none.

    Raises:
        UserError: There is no such case or kind.
    """
    kinds = {case.kind for case in CASES.values()}
    for name in names:
        if name not in CASES and name not in kinds:
            known = [*sorted(kinds), *CASES]
            raise UserError(f"there is no case {name!r}{close_match(name, known)} (known: {', '.join(known)})")
    return tuple(case for case in CASES.values() if not names or case.name in names or case.kind in names)
