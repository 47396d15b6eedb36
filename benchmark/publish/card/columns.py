"""What each column of a dataset means, for its card and its Croissant description."""

from __future__ import annotations

COLUMNS = {
    "key": "Stable and unique name of the pair.",
    "degradation": "Its type, one word.",
    "degradations": "All words for what is wrong with the degraded image, in the order in which it was done.",
    "source": "The published set that it comes from.",
    "split": "train or test.",
    "degraded": "The degraded image: the source's own bytes, or a PNG or JPEG when it is synthetic.",
    "clean": "The clean image, with the source's own bytes.",
    "width": "Width of both images in pixels.",
    "height": "Height of both images in pixels.",
    "spec": "The degradation that was synthesised; null when the source distributes the degraded image.",
    "seed": "Seed of the synthesis; with spec and key it determines every pixel.",
    "clean_sha256": "SHA-256 of the clean image's bytes.",
    "degraded_sha256": "SHA-256 of the degraded image's bytes.",
    "caption": "What the clean image shows.",
    "text": "Caption and degradations, joined by a colon: the text that DA-CLIP is trained on.",
    "captioner": "Who wrote the caption.",
    "revision": "Version of the captioner.",
    "settings": "Settings of the captioner, as JSON.",
}
