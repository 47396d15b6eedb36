"""How fast, and in how much memory, an image is restored by the diffusion network told by DA-CLIP."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal

from benchmark.engine.children import isolated
from benchmark.speed.authors.restoring import published_layers, reference_restore
from models.inference.peak import forget_peak, peak_memory

if TYPE_CHECKING:
    from torch import Tensor

    from models.diffusion.settings import Sampling
    from models.inference.restorer import Restorer

SIZE = 256
NFE = 10
MEMORY_SIZES = (256, 512)
LARGE = 1024
HEADS, STRIDE = 16, 8
"""Heads of the deepest attention of the published network, and the pixels of a token's side."""


def restore_speed(*, size: int = SIZE, nfe: int = NFE, large: bool = True) -> dict[str, Any]:
    """Time ours, few network calls by mr-sde-2, against the reference: 100 steps of posterior sampling, one image.

    Both use the same network and DA-CLIP in the published size (ViT-B-32), with random weights: speed and memory do not
    depend on their values; quality does, and `bench sweep-nfe` measures it. The reference computes its layers as the
    authors' code does, with the whole matrix of attention, and the embeddings of DA-CLIP once an image, as in the
    authors' test script. What it would take with the embeddings computed at every step is told too.

    Arguments:
        size: Side of the image.
        nfe: Network calls of ours.
        large: Whether one network call at 1024x1024 is measured too (a minute or two on a CPU).

    Returns:
        Seconds an image and their ratio, and the memory of one network call of both ways at several sizes.
    """
    import torch

    from models.diffusion.noise import KeyedNoise
    from models.diffusion.settings import Sampling

    restorer = published_restorer(Sampling(sampler="mr-sde-2", nfe=nfe))
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    _once(restorer, image, published=False)  # the first call pays for what is set up once
    ours, ours_processor = _seconds(lambda: _ours(restorer, image))
    embedding = min(_seconds(lambda: restorer.embed(image, exact=True))[0] for _ in range(3))
    reference, reference_processor = _seconds(
        lambda: reference_restore(restorer, image, noise=KeyedNoise(["speed"], seed=0))
    )
    each_step = reference + (restorer.sde.steps - 1) * embedding
    memory = {way: {str(side): memory_of(way, side) for side in MEMORY_SIZES} for way in ("reference", "ours")}
    matrices = {str(side): attention_bytes(side) for side in (*MEMORY_SIZES, LARGE)}
    big = memory_of("ours", LARGE) if large else None
    steps = restorer.sde.steps
    return {
        "what": "restore",
        "weights": "random, published sizes",
        "size": f"{size}x{size}",
        "threads": torch.get_num_threads(),
        "nfe": nfe,
        "reference_steps": steps,
        "seconds": round(ours, 3),
        "reference_seconds": round(reference, 3),
        "reference_seconds_clip_each_step": round(each_step, 3),
        "seconds_per_call": round((ours - embedding) / nfe, 4),
        "reference_seconds_per_call": round((reference - embedding) / steps, 4),
        "clip_seconds": round(embedding, 4),
        "processor_seconds": round(ours_processor, 3),
        "reference_processor_seconds": round(reference_processor, 3),
        "ratio": round(reference / ours, 3),
        "processor_ratio": round(reference_processor / ours_processor, 3),
        "ratio_clip_each_step": round(each_step / ours, 3),
        "call_memory_bytes": {**memory, **({"ours_large": big} if big is not None else {})},
        "attention_matrix_bytes": matrices,
        "summary": [
            f"restore: {size}x{size}, published architecture, random weights, fp32, {torch.get_num_threads()} threads: "
            f"reference ({steps} posterior steps, layers as published, DA-CLIP once) {reference:.1f} s, ours "
            f"(mr-sde-2, {nfe} calls) {ours:.1f} s: {reference / ours:.2f} times as fast "
            f"({reference_processor / ours_processor:.2f} in processor seconds)",
            f"with DA-CLIP at every step ({embedding:.3f} s a time) the reference takes {each_step:.1f} s: "
            f"{each_step / ours:.2f} times",
            *(
                f"memory of one network call at {side}x{side}, weights aside: reference "
                f"{memory['reference'][str(side)] / 1e6:.0f} MB, ours {memory['ours'][str(side)] / 1e6:.0f} MB"
                for side in MEMORY_SIZES
            ),
            f"{LARGE}x{LARGE}: the matrix of one attention of the reference is {matrices[str(LARGE)] / 1e9:.1f} GB"
            + (f", one call of ours takes {big / 1e6:.0f} MB" if big is not None else ""),
        ],
    }


def published_restorer(sampling: Sampling | None = None) -> Restorer:
    """Return IR-SDE + DA-CLIP in the published size with random weights."""
    import torch

    from models.daclip.build import build_daclip
    from models.inference.restorer import Restorer
    from models.networks.build import build

    torch.manual_seed(0)
    daclip = build_daclip(clip="ViT-B-32", pretrained=None)
    network = build("ir-sde-daclip", {})
    return Restorer(name="ir-sde-daclip", network=network, daclip=daclip, sampling=sampling).eval()


def attention_bytes(side: int) -> int:
    """Return the bytes of one float32 matrix of attention between all pixels of the deepest level, all heads."""
    tokens = (side // STRIDE) ** 2
    return 4 * HEADS * tokens**2


def memory_of(way: Literal["reference", "ours"], side: int) -> int:
    """Return the bytes by which one network call on a `side` x `side` image raises a fresh process's peak memory."""
    code = f"from benchmark.speed.restore import report_memory; report_memory({way!r}, {side})"
    done = subprocess.run(isolated(code), capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout))


def report_memory(way: Literal["reference", "ours"], side: int) -> None:
    """Call the network once in this process and print by how many bytes the peak memory rose."""
    import torch

    restorer = published_restorer()
    # A small call first, so that what is set up once is not counted.
    _once(restorer, torch.rand(1, 3, 64, 64), published=way == "reference")
    forget_peak()  # building the network may have held more
    before = peak_memory()
    _once(restorer, torch.rand(1, 3, side, side), published=way == "reference")
    print(json.dumps(peak_memory() - before))


def _once(restorer: Restorer, image: Tensor, *, published: bool) -> None:
    import torch

    length = restorer.daclip.embed_dim if restorer.daclip is not None else 1
    embeddings = (image.new_zeros(1, length), image.new_zeros(1, length))
    with torch.no_grad(), published_layers() if published else nullcontext():
        restorer.predict(image, image, image.new_ones(1), embeddings=embeddings)


def _ours(restorer: Restorer, image: Tensor) -> Tensor:
    from models.inference.restore import restore

    return restore(restorer, image, keys=["speed"])


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that the work took, and the processor seconds, which other programs disturb less."""
    started, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - processor
