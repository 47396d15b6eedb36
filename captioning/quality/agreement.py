"""How well captions agree with their images, by any CLIP of open_clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from captioning.captioners.code_in_folders import refuse_code, unanswered
from models.errors import UserError, close_match
from models.files import below, read_sealed, sha256_file, sha256_json, write_sealed
from models.images.pixels import BadImage, decode

LOCAL = "local-dir:"
SCHEMAS = ("hf-hub:", LOCAL)
"""Places that open_clip looks models up at by itself; such names come from the command line alone."""


@dataclass(frozen=True)
class Part:
    """Some of the clean images of a dataset; a finished part is not computed again.

    Arguments:
        name: Stable name, unique within the dataset.
        images: Returns an iterator over digest and encoded bytes of its images.
    """

    name: str
    images: Callable[[], Iterator[tuple[str, bytes]]]


class ClipScorer:
    """Cosine similarity of image and caption.

    Arguments:
        model: `"ARCH:PRETRAINED"`, with a tag of open_clip or the path of a weights file, or a name that open_clip
            resolves by itself (`"hf-hub:ORGANISATION/NAME"`, `"local-dir:FOLDER"`).
        device: Where it runs.

    Raises:
        UserError: The architecture is unknown, or the weights cannot be had or do not fit.

    References:
        CLIPScore: A Reference-free Evaluation Metric for Image Captioning (Hessel et al., 2021)
        https://arxiv.org/abs/2104.08718
    """

    def __init__(self, model: str, *, device: str = "cpu") -> None:
        import open_clip

        arch, pretrained = _parse(model)
        if arch.startswith(LOCAL):
            refuse_code(Path(arch.removeprefix(LOCAL)), f"--clip {model}: the folder")
        try:
            # It hands no `trust_remote_code` on to transformers, which would ask: nobody answers.
            with unanswered():
                loaded: Any = open_clip.create_model_from_pretrained(arch, pretrained, device=device, weights_only=True)
                self._tokenizer: Any = open_clip.get_tokenizer(arch)
        except (
            Exception
        ) as error:  # open_clip and the hub client raise many kinds; all mean that there is no such model
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"--clip {model}: the model cannot be loaded ({reason}): give its weights file") from None
        self.name = model
        file = Path(pretrained) if pretrained else None
        self.identity = sha256_file(file) if file and file.is_file() else model
        self._network: Any = loaded[0].eval()
        self._transform: Any = loaded[1]
        self._device = device

    def score(self, images: Sequence[bytes], captions: Sequence[str]) -> list[float | None]:
        """Return the cosine of each image with its caption, from -1 to 1; None for an image that cannot be decoded."""
        import torch
        from PIL import Image

        pictures: dict[int, Any] = {}
        for index, data in enumerate(images):
            try:
                pictures[index] = self._transform(Image.fromarray(decode(data)))
            except BadImage:
                continue
        scores: list[float | None] = [None] * len(images)
        if not pictures:
            return scores
        with torch.inference_mode():
            texts = self._tokenizer([captions[index] for index in pictures]).to(self._device)
            seen = self._network.encode_image(torch.stack(list(pictures.values())).to(self._device), normalize=True)
            told = self._network.encode_text(texts, normalize=True)
            cosines = (seen.float() * told.float()).sum(dim=1).cpu().tolist()
        for index, cosine in zip(pictures, cosines, strict=True):
            scores[index] = cosine
        return scores


def _parse(model: str) -> tuple[str, str | None]:
    import open_clip

    if model.startswith(SCHEMAS):
        return model, None
    arch, separator, pretrained = model.partition(":")
    if arch not in open_clip.list_models():
        raise UserError(f"--clip {model}: open_clip knows no {arch!r}{close_match(arch, open_clip.list_models())}")
    tags = open_clip.list_pretrained_tags_by_model(arch)
    if not separator or not pretrained:
        raise UserError(f"--clip {model}: expected {arch}:PRETRAINED, a weights file or one of: {', '.join(tags)}")
    if pretrained not in tags and not Path(pretrained).is_file():
        known = f" (tags: {', '.join(tags)})" if tags else ""
        raise UserError(f"--clip {model}: {pretrained!r} is neither a file nor a tag of {arch}{known}")
    return arch, pretrained


def agreement(
    parts: Sequence[Part],
    captions: Mapping[str, str],
    scorer: ClipScorer,
    *,
    work: Path,
    batch_size: int = 32,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, float]:
    """Score every captioned image once, continuing an interrupted run.

    Arguments:
        parts: The images.
        captions: Caption by digest of the image.
        scorer: The CLIP.
        work: Folder for finished parts; one of another CLIP or other captions is replaced.
        batch_size: Images at once.
        progress: Called with the number of images done.

    Returns:
        Cosine by digest; images that cannot be decoded are left out.
    """
    identity = sha256_json([scorer.identity, sorted(captions.items()), [part.name for part in parts]])
    scores: dict[str, float | None] = {}
    for part in parts:
        file = below(work, f"{part.name}.json", what="name of a part")
        found = _finished(file, identity)
        if found is None:
            found = _score_part(part, captions, scorer, scores, batch_size, progress)
            write_sealed(file, {"identity": identity, "scores": found})
        scores.update(found)
        progress(len(scores))
    return {digest: cosine for digest, cosine in scores.items() if cosine is not None}


def _finished(file: Path, identity: str) -> dict[str, float | None] | None:
    """Return the scores of a finished part; None when there are none, they are of something else, or damaged."""
    try:
        found = read_sealed(file, "scores of a part", remedy="")
    except UserError:
        return None
    return found["scores"] if found.get("identity") == identity else None


def _score_part(
    part: Part,
    captions: Mapping[str, str],
    scorer: ClipScorer,
    known: Mapping[str, float | None],
    batch_size: int,
    progress: Callable[[int], None],
) -> dict[str, float | None]:
    seen = set(known)
    new: dict[str, float | None] = {}

    def unseen() -> Iterator[tuple[str, bytes]]:
        for digest, data in part.images():
            if digest in captions and digest not in seen:
                seen.add(digest)
                yield digest, data

    images = unseen()
    while batch := list(islice(images, batch_size)):
        digests = [digest for digest, _ in batch]
        cosines = scorer.score([data for _, data in batch], [captions[digest] for digest in digests])
        new.update(zip(digests, cosines, strict=True))
        progress(len(known) + len(new))
    return new
