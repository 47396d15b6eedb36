"""How long one network takes for an image and how much memory it holds meanwhile, measured in this process."""

from __future__ import annotations

import json
import os
import statistics
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import UserError
from models.inference.peak import forget_peak, peak_memory, resident
from models.inference.restore import Precision, fit_for, restore, tile_for
from models.inference.tiles import count

if TYPE_CHECKING:
    from torch import Tensor

    from models.inference.restorer import Restorer

REPEATS = 5
ENOUGH_SECONDS = 10.0
"""A network is timed this often, but not again once it has taken so long in all."""

CLIPS = {512: "ViT-B-32", 768: "ViT-L-14"}
"""The published CLIP whose embeddings have this length."""

SAMPLED_CALLS = 2
WARM_SIDE = 128


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is measured.

    Arguments:
        name: The network.
        size: Width and height of the image.
        device: Where it runs.
        precision: What the network computes in.
        max_memory: Bytes that the process may use, so that larger images are cut into tiles; None for the whole image.
        patience: After so many seconds an image in tiles is given up; the time of the rest follows from the tiles done.
        flops: Whether its floating-point operations are counted too.
    """

    name: str
    size: tuple[int, int]
    device: str = "cpu"
    precision: Precision = "fp32"
    max_memory: int | None = None
    patience: float = 30.0
    flops: bool = False


def report(call: str) -> None:
    """Measure what a JSON text of a `Call` says and print what `measure` returns, or why it was refused, as JSON."""
    from models.inference.cpu import tune_cpu

    tune_cpu()
    told = json.loads(call)
    try:
        found = measure(Call(**{**told, "size": tuple(told["size"])}))
    except UserError as error:
        found = {"refused": str(error)}
    print(json.dumps(found))


def measure(call: Call) -> dict[str, Any]:
    """Measure one network with random weights on one image.

    The image is a mosaic of the embedded photos with the first degradation that the network is meant for. It takes the
    way that `bench restore` takes, embeddings of DA-CLIP included, files and their decoding left out. Sampled networks
    are run for two of their steps, and the time of an image follows from them; so does the time of an image in many
    tiles from the first ones, after which memory grows no more.

    Returns:
        Parameters, and below `row`: seconds and processor seconds an image (the median of `runs` runs), for sampled
        networks also of a step; the peak memory of the process (on a GPU, what was allocated there) and what it held
        before the first image; if there are tiles, their size and number, and how many were computed a step if not all.
    """
    import torch

    restorer = random_restorer(call.name).to(call.device)
    image = degraded_mosaic(restorer.card.tasks[0], call.size)
    calls = restorer.nfe
    if restorer.card.sampler:
        from models.diffusion.settings import Sampling

        restorer.sampling = Sampling(nfe=min(SAMPLED_CALLS, calls))
    on_gpu = torch.device(call.device).type == "cuda"
    held = torch.cuda.memory_allocated() if on_gpu else resident()
    # What is set up once is not counted; on a GPU, kernels are chosen for each size anew.
    warm = image if on_gpu else image[:, :WARM_SIDE, :WARM_SIDE]
    restore(restorer, warm, keys=["speed"], precision=call.precision)
    tile = None
    if call.max_memory is not None:
        tile = tile_for(restorer, image[None].to(call.device), max_memory=call.max_memory, precision=call.precision)
    forget_peak()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    times: list[dict[str, float]] = []
    while not times or (len(times) < REPEATS and sum(one["seconds"] for one in times) < ENOUGH_SECONDS):
        times.append(_once(restorer, image, call, tile=tile, calls=calls))
    share = times[0].pop("share")
    row: dict[str, Any] = {
        **{key: round(statistics.median(one[key] for one in times), 5) for key in times[0]},
        "runs": len(times),
        "peak_memory_bytes": torch.cuda.max_memory_allocated() if on_gpu else peak_memory(),
        "held_memory_bytes": held,
        "max_memory_bytes": call.max_memory,
        "tile": None if tile is None else f"{tile[1]}x{tile[0]}",
        "load": round(os.getloadavg()[0], 1),
    }
    if tile is not None:
        height, width = (size + restorer.padding.missing(size) for size in image.shape[1:])
        row["tiles"] = count((height, width), fit_for(restorer, tile=tile))
        if share < 1:
            row["tiles_done"] = round(share * row["tiles"])
    found = {"parameters": _size(restorer.network), "nfe": calls, "row": row}
    if restorer.daclip is not None:
        found["daclip_parameters"] = _size(restorer.daclip)
    if call.flops:
        found |= _operations(restorer)
    return found


def _operations(restorer: Restorer) -> dict[str, Any]:
    from benchmark.evaluation.cost import count_flops
    from models.diffusion.settings import Sampling
    from models.networks.find import is_foreign

    if next(restorer.network.parameters(), None) is None:
        return {"flops": None, "flops_size": None}
    restorer.sampling = Sampling()
    # Tensors without contents cost nothing; a network from outside may look into them.
    return count_flops(restorer if is_foreign(restorer.card.name) else restorer.to("meta"))


def random_restorer(name: str) -> Restorer:
    """Return a network in its published size with random weights, with a DA-CLIP likewise where it listens to one."""
    import torch

    from models.inference.restorer import Restorer
    from models.networks.build import build
    from models.networks.find import find_network

    torch.manual_seed(0)
    network, daclip = build(name, {}), None
    if find_network(name).conditioning != "none":
        from models.daclip.build import build_daclip  # its CLIP takes 250 MB, which other networks do not need

        daclip = build_daclip(clip=CLIPS[getattr(network, "embedding_dim", None) or 512], pretrained=None)
    return Restorer(name=name, network=network, daclip=daclip).eval()


def degraded_mosaic(degradation: str, size: tuple[int, int]) -> Tensor:
    """Return a mosaic of the embedded photos, degraded, with shape `(3, H, W)`, in [0, 1].

    Arguments:
        degradation: One of the ten types.
        size: Width and height.
    """
    import torch

    from benchmark.degradations.specs.pipeline import DEFAULT_SPECS, apply
    from benchmark.speed.build import mosaic

    clean = mosaic(np.random.default_rng(0), (size[1], size[0]))
    degraded = apply(DEFAULT_SPECS[degradation], clean, seed=0, key="speed")
    return torch.from_numpy(degraded).permute(2, 0, 1).float().div(255)


class _EnoughError(Exception):
    """Ends an image that takes too long."""


def _once(
    restorer: Restorer, image: Tensor, call: Call, *, tile: tuple[int, int] | None, calls: int
) -> dict[str, float]:
    """Restore the image once, or as much of it as there is patience for, and return how long all of it takes.

    Returns:
        Times, and the `share` of the tiles that was computed.
    """
    # What was done (network calls, with the parts that tiles are), when, and in how much processor time.
    stamps = [(0.0, *_now(call.device))]

    def told(done: float) -> None:
        stamps.append((done, *_now(call.device)))
        if done < steps and stamps[-1][1] - stamps[0][1] > call.patience:
            raise _EnoughError

    steps = restorer.nfe if restorer.card.sampler else 1
    with suppress(_EnoughError):
        restore(restorer, image, keys=["speed"], tile=tile, precision=call.precision, progress=told)
        stamps.append((steps, *_now(call.device)))
    done, *last = stamps[-1]
    seconds, processor = (after - before for before, after in zip(stamps[0][1:], last, strict=True))
    share = min(1.0, done)
    if not restorer.card.sampler:
        return {"seconds": seconds / share, "processor_seconds": processor / share, "share": share}
    if done < steps:
        step, step_processor, left = seconds / done, processor / done, calls - done
    else:
        # The first step waits for the embeddings; the second is like all others.
        first = next(stamp for stamp in stamps if stamp[0] >= steps - 1)
        step, step_processor = (after - before for before, after in zip(first[1:], stamps[-2][1:], strict=True))
        left = calls - steps
    return {
        "seconds": seconds + left * step,
        "processor_seconds": processor + left * step_processor,
        "step_seconds": step,
        "step_processor_seconds": step_processor,
        "share": share,
    }


def _now(device: str) -> tuple[float, float]:
    if device != "cpu":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()


def _size(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def encoded(call: Call) -> str:
    """Return a call as `report` takes it."""
    return json.dumps(asdict(call))
