"""How fast, and in how much memory, a network is trained: the loader and the step, each against the published way."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmark.dataset.folder import Dataset
from benchmark.engine.children import isolated
from benchmark.engine.scratch import scratch_folder
from benchmark.speed.authors.training import published_training
from benchmark.speed.loader import PATCH, SEED, SIZE, cached_batches, loader_speed, png_batches, write_dataset
from benchmark.training.cache.read import open_cache
from models.inference.peak import forget_peak, peak_memory

if TYPE_CHECKING:
    from torch import Tensor

Way = Literal["reference", "ours"]
WAYS: tuple[Way, Way] = ("reference", "ours")
PAIRS = 12

STEP_BATCH, STEP_PATCH = 2, 128
STEPS = 4
ARCHS: dict[str, dict[str, Any]] = {
    "nafnet": {"width": 64, "encoder_blocks": [1, 1, 1, 28], "middle_blocks": 1, "decoder_blocks": [1, 1, 1, 1]},
    "ir-sde": {"width": 64, "multipliers": [1, 2, 4, 8]},
}
"""The published sizes."""


def train_speed(
    *, pairs: int = PAIRS, steps: int = STEPS, archs: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Time the loader and whole training steps against the published way, on a CPU.

    The reference decodes both PNG files for every patch in a plain loop and trains in fp32, channel by channel, with
    layers as published, AdamW a parameter at a time, and the loss fetched at every step. Ours cuts patches from the
    cache, made beforehand and in the system's memory, and trains in bf16 with the channels last and AdamW in one
    kernel. Both see the same patches, and start from the same weights; their losses are told side by side. The time of
    a step holds the making of its batch. Each way of training has a process of its own.

    Arguments:
        pairs: Pairs of 1280x720 pixels.
        steps: Steps that are timed, after one that is not.
        archs: Networks with their constructor arguments; None for the published sizes.

    Returns:
        Seconds of both ways and their ratios, the rise in peak memory of the steps, and all losses.
    """
    with scratch_folder() as root:
        data = write_dataset(root, pairs)
        started = time.perf_counter()
        cache = open_cache(Dataset(data), "train")
        built = time.perf_counter() - started
        loader = loader_speed(cache, root)
        measured = {
            name: {way: steps_of(way, name, arch, root=root, steps=steps) for way in WAYS}
            for name, arch in (archs or ARCHS).items()
        }
    networks = {name: _compare(ways) for name, ways in measured.items()}
    return {
        "what": "train",
        "size": f"{SIZE[1]}x{SIZE[0]}",
        "pairs": pairs,
        "cache_seconds": round(built, 3),
        "loader": loader,
        "step_batch": STEP_BATCH,
        "step_patch": STEP_PATCH,
        "networks": networks,
        "summary": [
            f"train, loader: {PATCH}x{PATCH} patches of {SIZE[1]}x{SIZE[0]} pairs, one thread, warm: PNG decoding "
            f"{loader['reference_milliseconds']:.1f} ms a pair, cache {loader['milliseconds']:.2f} ms: "
            f"{loader['ratio']:.0f} times as fast ({loader['processor_ratio']:.0f} in processor seconds), same "
            f"batches; the cache was made in {built:.1f} s",
            *(_told(name, compared) for name, compared in networks.items()),
        ],
    }


def steps_of(way: Way, name: str, arch: dict[str, Any], *, root: Path, steps: int) -> dict[str, Any]:
    """Train for a few steps in a fresh process and return its times, losses and memory."""
    code = "from benchmark.speed.train import report_steps; report_steps(*sys.argv[1:])"
    command = isolated(code, way, name, json.dumps(arch), str(root), str(steps))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def report_steps(way: Way, name: str, arch: str, root: str, steps: str) -> None:
    """Train in this process and print what `steps_of` returns."""
    print(json.dumps(_train(way, name, json.loads(arch), root=Path(root), steps=int(steps))))


def _train(way: Way, name: str, arch: dict[str, Any], *, root: Path, steps: int) -> dict[str, Any]:
    import torch

    ours = way == "ours"
    cache = open_cache(Dataset(root / "dataset"), "train")
    torch.manual_seed(SEED)
    loss_of, network = _network(name, arch)
    if ours:
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-4, fused=ours, foreach=False)
    source = (
        cached_batches(cache, STEP_BATCH, STEP_PATCH, channels_last=True)
        if ours
        else png_batches(cache, root, STEP_BATCH, STEP_PATCH)
    )
    losses: list[float | Tensor] = []
    walls, busy = [], []
    with nullcontext() if ours else published_training(network):
        for step in range(steps + 1):
            if step == 1:
                forget_peak()
                before = peak_memory()
            wall, processor = time.perf_counter(), time.process_time()
            degraded, clean = next(source)
            with torch.autocast("cpu", torch.bfloat16, enabled=ours):
                loss = loss_of(degraded, clean, step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach() if ours else loss.item())
            walls.append(time.perf_counter() - wall)
            busy.append(time.process_time() - processor)
    return {
        "seconds": statistics.median(walls[1:]),
        "processor_seconds": statistics.median(busy[1:]),
        "memory_bytes": peak_memory() - before,  # pyright: ignore[reportPossiblyUnboundVariable]
        "losses": [float(value) for value in losses],
        "parameters": sum(p.numel() for p in network.parameters()),
        "threads": torch.get_num_threads(),
    }


def _network(name: str, arch: dict[str, Any]) -> tuple[Callable[[Tensor, Tensor, int], Tensor], Any]:
    """Return the training loss of a network, taking degraded and clean images and the step, and the network."""
    import torch

    from models.diffusion.objective import optimum_path_loss
    from models.diffusion.sde import MeanRevertingSDE
    from models.networks.build import build
    from models.training.losses import l1

    network = build(name, arch).train()
    if name == "nafnet":
        return lambda degraded, clean, step: l1(network(degraded).float(), clean), network
    sde = MeanRevertingSDE()

    def loss(degraded: Tensor, clean: Tensor, step: int) -> Tensor:
        return optimum_path_loss(
            lambda state, mean, told: network(state, mean, told).float(),
            sde,
            clean=clean,
            degraded=degraded,
            generator=torch.Generator().manual_seed(step),
        )

    return loss, network


def _compare(ways: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    reference, ours = ways["reference"], ways["ours"]
    differences = [abs(a - b) / abs(a) for a, b in zip(reference["losses"], ours["losses"], strict=True)]
    return {
        **{way: {**found, "seconds": round(found["seconds"], 4)} for way, found in ways.items()},
        "ratio": round(reference["seconds"] / ours["seconds"], 3),
        "processor_ratio": round(reference["processor_seconds"] / ours["processor_seconds"], 3),
        "memory_ratio": round(reference["memory_bytes"] / max(ours["memory_bytes"], 1), 3),
        "largest_loss_difference": max(differences),
    }


def _told(name: str, compared: dict[str, Any]) -> str:
    reference, ours = compared["reference"], compared["ours"]
    return (
        f"train, {name} ({ours['parameters'] / 1e6:.1f} M parameters), {STEP_BATCH} patches of "
        f"{STEP_PATCH}x{STEP_PATCH}, {ours['threads']} threads: reference (fp32, channels first, PNG) "
        f"{reference['seconds']:.2f} s a step, ours (bf16, channels last, cache) {ours['seconds']:.2f} s: "
        f"{compared['ratio']:.2f} times as fast ({compared['processor_ratio']:.2f} in processor seconds); memory at "
        f"its peak, weights and optimiser aside: {_mb(reference)} and {_mb(ours)}; losses {_list(reference['losses'])} "
        f"and {_list(ours['losses'])}"
    )


def _mb(found: dict[str, Any]) -> str:
    return f"{found['memory_bytes'] / 1e6:.0f} MB"


def _list(losses: Sequence[float]) -> str:
    return " ".join(f"{value:.5f}" for value in losses)
