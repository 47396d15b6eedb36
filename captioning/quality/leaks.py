"""Words for degradations in captions of clean images: which, how often, and whether they tell the type of the pair."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from captioning.quality.findings import Entry
from models.vocabulary import DEGRADATIONS

PICTURE: dict[str, str] = {
    "motion-blurry": r"motion[- ]blurr?(?:y|ed)?|blur(?:s|ry|red|ring|riness)?|out[- ]of[- ]focus|unfocused"
    r"|defocus(?:ed)?",
    "jpeg-compressed": r"jpe?g(?:[- ]compressed)?|compress(?:ed|ion)|pixelat(?:ed|ion)|blocky"
    r"|low[- ](?:quality|resolution|res)",
    "low-light": r"low[- ]light|under[- ]?exposed|poorly lit|badly lit",
    "noisy": r"nois[ey]|noises|grainy",
    "uncompleted": r"uncompleted|inpaint(?:ed|ing)|corrupted|censored|blanked out|missing (?:parts?|pixels?)",
}
"""Words that speak of the picture: a clean image gives no reason for them."""

SCENE: dict[str, str] = {
    "jpeg-compressed": r"art[ie]facts?",
    "hazy": r"haz[ey]|hazily|fogs?|foggy|mist|misty|smog|smoggy",
    "low-light": r"dark(?:er|ly|ness|ened)?|dim|dimly(?: lit)?|night|nighttime",
    "raindrop": r"rain[- ]?drops?|water[- ]?drop(?:s|lets?)?|drops? of (?:rain|water)",
    "rainy": r"rain(?:s|y|ing|ed|fall|storm)?|drizzl(?:e|ing|y)",
    "shadowed": r"shadow(?:s|y|ed|ing)?|shaded?|shady",
    "snowy": r"snow(?:s|y|ing|ed|fall|flakes?|storm)?|blizzard",
    "uncompleted": r"mask(?:s|ed)?|holes?|blank|incomplete",
}
"""Words that may as well describe what is seen: snow on a mountain, a dark room, a shadow on a wall."""

_PATTERNS = {
    describes: re.compile(
        "|".join(rf"(?P<{name.replace('-', '_')}>\b(?:{pattern})\b)" for name, pattern in table.items()), re.IGNORECASE
    )
    for describes, table in (("picture", PICTURE), ("scene", SCENE))
}


@dataclass(frozen=True)
class Leak:
    """A word of a caption that names a degradation.

    Arguments:
        word: The word as it stands there, in lower case.
        degradation: The type that it names.
        describes: `"picture"` or `"scene"`.
    """

    word: str
    degradation: str
    describes: str


def leaks(caption: str) -> list[Leak]:
    """Return the words of a caption that name degradations, each once, in their order."""
    found: dict[Leak, int] = {}
    for describes, pattern in _PATTERNS.items():
        for match in pattern.finditer(caption):
            name = str(match.lastgroup).replace("_", "-")
            found.setdefault(Leak(match.group().lower(), name, describes), match.start())
    return sorted(found, key=lambda leak: (found[leak], leak.describes))


@dataclass(frozen=True)
class LeakRow:
    """How often a word is used.

    Arguments:
        word: The word.
        degradation: The type that it names.
        describes: `"picture"` or `"scene"`.
        captions: Number of captions that hold it.
        own_share: Share of the captions with it among images of that type; None when there is no such image.
        other_share: The same among images of the other types.
    """

    word: str
    degradation: str
    describes: str
    captions: int
    own_share: float | None
    other_share: float | None


def leak_table(entries: Sequence[Entry], found: Sequence[Sequence[Leak]]) -> list[LeakRow]:
    """Count the words over all captions, types in the paper's order and frequent words first.

    A share that is far higher among images of the word's own type is the mark of captions that were made from degraded
    images.

    Arguments:
        entries: The captions.
        found: The words of each caption, from `leaks`.
    """
    of_type = {word: [word in entry.degradations for entry in entries] for word in DEGRADATIONS}
    users: dict[Leak, list[int]] = {}
    for index, words in enumerate(found):
        for leak in words:
            users.setdefault(leak, []).append(index)
    rows = []
    for leak, indices in users.items():
        own = of_type[leak.degradation]
        inside, outside = sum(own), len(own) - sum(own)
        with_it = sum(own[i] for i in indices)
        rows.append(
            LeakRow(
                leak.word,
                leak.degradation,
                leak.describes,
                len(indices),
                with_it / inside if inside else None,
                (len(indices) - with_it) / outside if outside else None,
            )
        )
    order = {word: n for n, word in enumerate(DEGRADATIONS)}
    return sorted(rows, key=lambda row: (order[row.degradation], row.describes, -row.captions, row.word))
