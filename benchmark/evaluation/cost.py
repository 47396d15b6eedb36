"""What a network costs, and how it was sampled, as results say it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.results.parts import Cost

if TYPE_CHECKING:
    from benchmark.evaluation.store import Scored
    from models.inference.restorer import Restorer


def count_flops(restorer: Restorer, side: int = 256) -> dict[str, Any]:
    """Return the floating-point operations of restoring a `side` x `side` image, as `Cost` takes them.

    A sampled network is run once and counted as often as the sampler calls it.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    image = torch.zeros(1, 3, side, side, device=restorer.device)
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=_unknown_operations()) as counter:
        embeddings = restorer.embed(image)
        once = counter.get_total_flops()
        if restorer.card.sampler:
            restorer.predict(image, image, image.new_ones(1), embeddings=embeddings)
        else:
            restorer.apply_network(image, embeddings)
    call = counter.get_total_flops() - once
    calls = restorer.nfe if restorer.card.sampler else 1
    return {"flops": once + calls * call, "flops_size": f"{side}x{side}"}


def _unknown_operations() -> dict[Any, Callable[..., int]]:
    """Return how to count what torch's counter leaves out: fused attention on a CPU, and deformable convolution."""
    import torch
    import torchvision  # noqa: F401  registers its operations
    from torch.utils.flop_counter import sdpa_flop_count

    def attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return sdpa_flop_count(query, key, value)

    def deformable(image: Any, weight: Any, *_: Any, out_shape: Any, **__: Any) -> int:
        return 2 * math.prod(out_shape) * math.prod(weight[1:])

    return {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention,
        torch.ops.torchvision.deform_conv2d: deformable,
    }


def sampler_facts(restorer: Restorer) -> dict[str, Any] | None:
    """Return what a result says about how a network was sampled; None for one that restores in one pass."""
    return restorer.sampling.facts(restorer.sde) if restorer.card.sampler else None


def measured_cost(images: Sequence[Scored], restorer: Restorer) -> Cost:
    """Return what restoring these images took; those of an interrupted run count with what they took then."""
    seconds = [image.seconds for image in images if image.seconds is not None]
    peaks = [image.peak for image in images if image.peak is not None]
    return Cost(
        seconds_per_image=round(float(np.mean(seconds)), 5) if seconds else None,
        peak_memory_bytes=max(peaks, default=None),
        nfe=restorer.nfe,
        **count_flops(restorer),
    )
