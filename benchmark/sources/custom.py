"""One's own images: pairs in two folders, or clean images and a spec that degrades them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmark.degradations import OPERATIONS
from benchmark.degradations.specs.pipeline import DEFAULT_SPECS, parse, words
from benchmark.degradations.specs.severity import severity_spec
from benchmark.sources.cards import SourceCard
from benchmark.sources.files.tree import Entry, Tree
from benchmark.sources.folders import Named, pair_samples, synthetic_samples
from benchmark.sources.layouts import FOLDER_PAIRS, find_pairs, split_folder
from benchmark.sources.pairing import RULES
from benchmark.sources.samples import Rejected, Sample
from benchmark.sources.universal import text_of
from models.errors import UserError
from models.vocabulary import SPLITS, check_word

CARD = SourceCard(
    name="custom",
    target="benchmark.sources.custom:read",
    title="One's own images",
    degradations=(),
    licence="that of the images",
    layout="pairs in two folders such as {LQ,GT}, {low,high} or {input,target}, if wanted below train/ and "
    "test/; or clean images, with --spec",
    options=("degradation", "spec", "split", "severity", "seed", "label"),
)

_ENDINGS = re.compile(r"\.(zip|tar|tar\.gz|tgz)$", re.IGNORECASE)


def read(
    tree: Tree,
    *,
    degradation: str | None = None,
    spec: str | None = None,
    split: str | None = None,
    severity: int | None = None,
    seed: int = 0,
    label: str | None = None,
) -> Iterator[Sample | Rejected]:
    """Yield pairs of one's own; keys are `custom/<split>/<degradation>/<label>/<path>`.

    Two folders side by side that are called as in `benchmark.sources.layouts.FOLDER_PAIRS` are pairs, matched by name.
    Where there are none, every image is a clean one and is degraded by `spec`. A text file of the same stem beside a
    clean image is its caption.

    Arguments:
        tree: The images.
        degradation: The type of all pairs: one of the ten, or a new word. With a spec it may be left out: the type that
            the spec makes, or "mixed" or "wild".
        spec: What to synthesise; for one of the ten types, its usual spec by default.
        split: Where all pairs go; by default as folders called train, test or val around them tell, else training.
        severity: In place of a spec, how bad the degradation shall be, 1 to 5; it becomes part of the keys.
        seed: Seed of the synthesis.
        label: Tells this set from other custom ones in keys; the name of the folder or archive by default.

    Raises:
        UserError: No images, no degradation, a spec for images that come as pairs, none for clean ones, or a bad
            option.
    """
    if degradation is None and spec is not None:
        degradation = _type_of(spec)
    if degradation is None:
        raise UserError(f"custom: say what is wrong with the images in {tree.where}, e.g. --degradation foggy")
    check_word(degradation)
    if split is not None and split not in SPLITS:
        raise UserError(f"custom: split {split!r} is neither of {', '.join(SPLITS)}")
    if label is not None and not re.fullmatch(r"[\w][\w.-]*", label):
        raise UserError(f"custom: label {label!r} cannot stand in a key: use letters, digits, '-', '_' and '.'")
    group = f"{label or _label_of(tree)}/"
    if severity is not None:
        if spec is not None:
            raise UserError("custom: both spec and severity were given: leave out one of the two")
        spec = severity_spec(degradation, severity)
        group += f"severity-{severity}/"
    told = _captions(tree)
    pairs = find_pairs(tree)
    if pairs:
        if spec is not None:
            raise UserError(f"custom: {tree.where} holds pairs, but a spec was given: leave out one of the two")
        shorten = _shortener([side for pair in pairs for side in (*pair.degraded, *pair.clean)])
        for pair in pairs:
            yield from pair_samples(
                shorten(pair.degraded),
                shorten(pair.clean),
                source="custom",
                split=split or pair.split or "train",
                degradation=degradation,
                rules=RULES,
                group=group,
                captions=lambda degraded, clean: told(clean),
            )
        return
    images = [(str(entry.path.with_suffix("")), entry) for entry in tree.images()]
    if not images:
        raise UserError(f"custom: no image in {tree.where}")
    if spec is None and degradation not in DEFAULT_SPECS:
        known = ", ".join(f"{{{d},{c}}}" for d, c in FOLDER_PAIRS[:6])
        raise UserError(
            f"custom: no pairs of folders such as {known} in {tree.where}; for clean images give --spec, which says "
            f"how {degradation} images are made"
        )
    text = str(parse(spec or DEFAULT_SPECS[degradation]))
    images = _shortener(images)(images)
    for part in SPLITS:
        ours = [(name, entry) for name, entry in images if (split or split_folder(entry) or "train") == part]
        yield from synthetic_samples(
            ours, source="custom", split=part, specs={degradation: text}, seed=seed, group=group, captions=told
        )


def _type_of(spec: str) -> str:
    if any(OPERATIONS[step.name].macro for step in parse(spec).steps):
        return "wild"
    made = words(spec)
    return made[0] if len(made) == 1 and made[0] in DEFAULT_SPECS else "mixed"


def _label_of(tree: Tree) -> str:
    name = _ENDINGS.sub("", Path(tree.where).name)
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "images"


def _captions(tree: Tree) -> Callable[[Entry], str | None]:
    """Return what gives a clean image its caption: the text file of the same stem beside it, if there is one."""
    texts = {e.path.with_suffix(""): e for e in tree.entries if e.path.suffix.lower() == ".txt"}

    def caption(clean: Entry) -> str | None:
        text = texts.get(clean.path.with_suffix(""))
        return (" ".join(text_of(text).split()) or None) if text is not None else None

    return caption


def _shortener(everything: Sequence[Named]) -> Callable[[Sequence[Named]], list[Named]]:
    """Return what cuts the folders off names that all of them share: they are the same for every pair."""
    folders = [name.split("/")[:-1] for name, _ in everything]
    shared = 0
    while all(len(parts) > shared and parts[shared] == folders[0][shared] for parts in folders):
        shared += 1
    return lambda names: [("/".join(name.split("/")[shared:]), entry) for name, entry in names]
