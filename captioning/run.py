"""Captions of a whole dataset: each unique clean image once across all splits, resumable after any interruption."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioning.captioners.contract import Captioner
from captioning.plan import UNIT, Location, Split, make_plan, read_images
from captioning.sets import (
    birth_of,
    captions_in,
    current_set,
    is_finished,
    refuse_strangers,
    set_name,
    sound,
    use_set,
    write_split,
)
from captioning.stream import Captioned, caption_stream
from captioning.tables import facts_of
from models.errors import UserError
from models.files import read_sealed, sha256_json, sweep_partials, write_sealed

Unit = tuple[Location, ...]
Runner = Callable[[Sequence[Unit]], Iterator[Sequence[Captioned]]]
"""Runs units of work somewhere and returns what came of each, in any order."""


@dataclass(frozen=True)
class Outcome:
    """What a run has left behind.

    Arguments:
        set: Name of the captioner's set.
        current: Name of the set in use.
        rows: Texts written, by split.
        unique: Unique clean images, by split.
        captioned: Images that this run has captioned; the others were known.
        unreadable: Images without a caption: key and reason.
    """

    set: str
    current: str
    rows: Mapping[str, int]
    unique: Mapping[str, int]
    captioned: int = 0
    unreadable: tuple[tuple[str, str], ...] = ()


def caption_dataset(
    splits: Mapping[str, Split],
    captioner: Captioner,
    folder: Path,
    *,
    pixels: bool,
    batch_size: int = 16,
    threads: int = 2,
    replace: bool = False,
    runner: Runner | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Write the captions of a dataset by one captioner, continuing an interrupted run.

    A caption belongs to an image's digest and to what wrote it, so images that this captioner has captioned before,
    here or in an earlier build, are not looked at again. Finished units lie in a hidden folder until the files are
    written. The caller sees to it that no two runs share a folder.

    Arguments:
        splits: The splits of the dataset.
        captioner: Who writes the captions.
        folder: The dataset's folder `captions`; see `captioning.sets`.
        pixels: Whether the captioner looks at images.
        batch_size: Images that the captioner sees at once; it leaves no trace in the result.
        threads: Threads that decode images.
        replace: Whether these captions come into use although others are, of this build or another one.
        runner: Where units run; None for here.
        progress: Called with the number of unique images done and their total.

    Raises:
        UserError: The captions in use are of another build, an image has no caption to be had, or none can be read.
    """
    birth = birth_of(captioner)
    name = set_name(birth)
    if not replace:
        refuse_strangers(folder, splits)
    files = {split: folder / name / f"{split}.parquet" for split in splits}
    work = folder / f".{name}"
    captioned, unreadable = 0, ()
    found = {split: sound(file) for split, file in files.items()}
    plan = make_plan(splits)
    if not all(is_finished(found[s], plan.rows[s], name=name, digest=facts.digest) for s, facts in splits.items()):
        # The copies in use help where a file of the set was damaged.
        copies = [sound(folder / f"{split}.parquet") for split in splits]
        known = captions_in([*copies, *found.values()], name=name) | _parts(work)
        todo = [image for image in plan.images if image.sha256 not in known]
        total = len(plan.images)
        progress(total - len(todo), total)
        results = _run(todo, captioner, work, pixels, batch_size, threads, runner)
        failed: dict[str, tuple[str, str]] = {}
        for captioned, result in enumerate(results, start=1):
            if result.caption is None:
                failed[result.sha256] = (result.key, result.reason or "")
            else:
                known[result.sha256] = result.caption
            progress(total - len(todo) + captioned, total)
        unreadable = tuple(failed.values())
        if plan.images and len(unreadable) == total:
            key, reason = unreadable[0]
            raise UserError(f"none of the {total} clean images can be read; the first, {key}: {reason}")
        for split, facts in splits.items():
            write_split(files[split], plan.rows[split], known, birth=birth, digest=facts.digest)
    if replace or current_set(folder) in (None, name):
        use_set(folder, name, birth, splits)
    shutil.rmtree(work, ignore_errors=True)
    sweep_partials(folder)
    sweep_partials(folder / name)
    written = {split: facts_of(file) for split, file in files.items()}
    return Outcome(
        set=name,
        current=current_set(folder) or name,
        rows={split: int(facts["rows"]) for split, facts in written.items()},
        unique={split: int(facts["unique"]) for split, facts in written.items()},
        captioned=captioned,
        unreadable=unreadable,
    )


def _parts(work: Path) -> dict[str, str]:
    """Return the captions of the units that an interrupted run has finished; a damaged unit is done again."""
    known: dict[str, str] = {}
    for part in sorted(work.glob("*.json")):
        try:
            captions = read_sealed(part, "finished captions", remedy="").get("captions")
        except UserError:
            captions = None
        if isinstance(captions, dict):
            known |= captions
        else:
            logging.getLogger(__name__).warning("%s is damaged: its images are captioned again", part)
            part.unlink()
    return known


def _run(
    todo: Sequence[Location],
    captioner: Captioner,
    work: Path,
    pixels: bool,
    batch_size: int,
    threads: int,
    runner: Runner | None,
) -> Iterator[Captioned]:
    """Yield what comes of each image; a unit's captions are on disk before the next unit's are begun to be kept."""
    if runner is not None:
        units = [tuple(todo[start : start + UNIT]) for start in range(0, len(todo), UNIT)]
        for results in runner(units):
            _keep(work, results)
            yield from results
        return
    images = read_images(todo, pixels=pixels)
    stream = caption_stream(images, captioner, batch_size=batch_size, threads=threads)
    unit: list[Captioned] = []
    for result in stream:
        unit.append(result)
        yield result
        if len(unit) == UNIT:
            _keep(work, unit)
            unit = []
    _keep(work, unit)


def _keep(work: Path, results: Sequence[Captioned]) -> None:
    captions = {result.sha256: result.caption for result in results if result.caption is not None}
    if captions:
        write_sealed(work / f"{sha256_json(list(captions))[:24]}.json", {"captions": captions})
