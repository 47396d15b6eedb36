"""How to build and call our networks for the golden outputs of the published ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
import golden_all_in_one
import golden_blur
import golden_general
import golden_haze
import golden_low_light
import golden_rain

from models.daclip.build import build_daclip
from models.daclip.controller import DaClip
from models.daclip.tokenise import tokenise
from models.diffusion.objective import path_error
from models.diffusion.reverse import optimum_state, optimum_std, reverse_mean, reverse_std
from models.diffusion.sampling import integrate, make_sampler
from models.diffusion.sde import MeanRevertingSDE
from models.networks.ir_sde.network import ConditionalUNet, PlainUNet, WildUNet
from models.networks.nafnet.network import NAFNet
from models.networks.refusion.network import Refusion

SMALL = {"encoder_blocks": (1, 1, 1, 28), "middle_blocks": 1, "decoder_blocks": (1, 1, 1, 1)}
LARGE = {"encoder_blocks": (2, 2, 4, 8), "middle_blocks": 12, "decoder_blocks": (2, 2, 2, 2)}

BUILDERS: dict[str, Callable[[], torch.nn.Module]] = {
    "nafnet_w32_1_1_1_28": lambda: NAFNet(width=32, **SMALL),
    "nafnet_w32_2_2_4_8": lambda: NAFNet(width=32, **LARGE),
    "nafnet_w64_1_1_1_28": lambda: NAFNet(width=64, **SMALL),
    "nafnet_w64_2_2_4_8": lambda: NAFNet(width=64, **LARGE),
    "irsde_unet": lambda: PlainUNet(multipliers=(2, 4, 8, 16)),
    "irsde_unet_nf32_d5": lambda: PlainUNet(width=32, multipliers=(2, 4, 8, 16, 32)),
    "refusion_nafnet_w64": Refusion,
    "daclip_universal_unet": ConditionalUNet,
    "daclip_wild_unet": WildUNet,
    "daclip_vit_b_32": lambda: build_daclip(clip="ViT-B-32", pretrained=None),
    "daclip_vit_l_14": lambda: build_daclip(clip="ViT-L-14", pretrained=None),
    "daclip_tokenizer": torch.nn.Identity,
    "irsde_sde": torch.nn.Identity,
}


def call_daclip(module: DaClip, case: dict[str, Any], inputs: dict[str, Any]) -> Any:
    """Call the method that a case names; the features of `forward` get the published names."""
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    if case.get("method", "forward") != "forward":
        return getattr(module, case["method"])(*tensors, **case.get("kwargs", {}))
    features = module(*tensors)
    return {
        "image_features": features.content,
        "image_degra_features": features.degradation,
        "text_features": features.caption,
        "text_degra_features": features.degradation_text,
        "logit_scale": features.logit_scale,
    }


def call_tokenizer(module: torch.nn.Module, case: dict[str, Any], inputs: dict[str, Any]) -> torch.Tensor:
    """Tokenise the texts of a case."""
    return tokenise(case["kwargs"]["texts"], context_length=case["kwargs"]["context_length"])


def call_unet(module: ConditionalUNet, case: dict[str, Any], inputs: dict[str, Any]) -> torch.Tensor:
    """Predict the noise; the published networks call the embeddings text and image context."""
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    return module(
        tensors["xt"],
        tensors["cond"],
        tensors["time"],
        degradation=tensors.get("text_context"),
        content=tensors.get("image_context"),
    )


class GivenNoise:
    """The noise of a golden case, step after step."""

    def __init__(self, steps: torch.Tensor) -> None:
        self._steps = iter(steps)

    def draw(self, shape: tuple[int, ...]) -> torch.Tensor:
        return next(self._steps)


def named_tensors(inputs: dict[str, Any]) -> Any:
    """The inputs of a case by name; a single time as a whole number, called t."""
    named: dict[str, Any] = {name: torch.from_numpy(array) for name, array in inputs.items()}
    time = named.pop("timesteps", named.get("t"))
    return named | {"t": int(time) if time is not None and time.ndim == 0 else time}


def build_sde(*, sample_T: int = -1, T: int = 100, eps: float = 0.01, **settings: Any) -> MeanRevertingSDE:
    """Make the process from the published constructor's arguments and defaults."""
    rebuilt = None if sample_T < 0 else sample_T
    return MeanRevertingSDE(steps=T, eps=eps, sample_steps=rebuilt, **settings)


def call_sde(module: None, case: dict[str, Any], inputs: dict[str, Any]) -> Any:
    """Compute what a case of the mean-reverting SDE names, outputs in the published order."""
    sde, method = build_sde(**case["kwargs"]), case["method"]
    given = named_tensors(inputs)
    t, mu, x = given["t"], given.get("mu"), given.get("x", given.get("xt", given.get("state", given.get("xT"))))
    if method == "schedule":
        return [sde.thetas, sde.sigmas, sde.cumulative, sde.sigma_bars, sde.dt, sde.level, sde.time_scale]
    if method == "noise_state":
        return sde.start(given["lq"], noise=given["noise"])
    if method == "random_states":
        return sde.diffuse(given["x0"], mu, t, noise=given["noise"])
    if method == "marginal":
        state = sde.diffuse(given["x0"], mu, t, noise=given["noise"])
        return [sde.mean(given["x0"], mu, t), sde.at(sde.sigma_bars, t), state]
    if method == "predict":
        noise, clean = given["pred_noise"], given["x0"]
        real = sde.noise_in(x, mu, clean, t)
        return [sde.score(noise, t), sde.estimate(x, mu, noise, t), real, sde.score(real, t)]
    if method == "forward_step":
        return [sde.forward_step(x, mu, t, noise=given["noise"]), sde.drift(x, mu, t)]
    if method == "reverse_sde_step":
        mean = reverse_mean(sde, x, mu, given["score"], t)
        return [mean - reverse_std(sde, t) * given["noise"], mean]
    if method == "reverse_ode_step":
        return reverse_mean(sde, x, mu, given["score"], t, deterministic=True)
    if method == "reverse_posterior_step":
        mean, std = optimum_state(sde, x, mu, sde.estimate(x, mu, given["pred_noise"], t), t), optimum_std(sde, t)
        return [mean + std * given["noise"], mean, std]
    if method == "optimum_step":
        return optimum_state(sde, x, mu, given["x0"], t)
    if method == "optimal_reverse":
        for step in range(sde.last, 0, -1):
            x = optimum_state(sde, x, mu, given["x0"], step)
        return x
    if method == "training":
        noise, clean = given["pred_noise"], given["x0"]
        score = sde.score(noise, t)
        images = {"state": x, "degraded": mu, "clean": clean, "time": t}
        means = [reverse_mean(sde, x, mu, score, t), optimum_state(sde, x, mu, clean, t)]
        return [score, *means, *(path_error(sde, noise, **images, distance=distance) for distance in ("l1", "l2"))]

    def predict(state: torch.Tensor, degraded: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """The goldens' stand-in for a network."""
        wave = 0.3 * given["w"] * torch.cos(time.reshape(-1, 1, 1, 1) / 20)
        return 4 * (state - degraded) + wave + 0.1 * torch.sin(3 * state)

    sampler, times = make_sampler(method.removeprefix("sampler_"), sde), [float(s) for s in range(sde.last, -1, -1)]
    noise = GivenNoise(given["noises"]) if "noises" in given else GivenNoise(torch.empty(0))
    return integrate(predict, sde, mu, state=x, sampler=sampler, times=times, noise=noise)


CALLS: dict[str, Callable[..., Any]] = {
    "irsde_unet": call_unet,
    "irsde_unet_nf32_d5": call_unet,
    "refusion_nafnet_w64": call_unet,
    "daclip_universal_unet": call_unet,
    "daclip_wild_unet": call_unet,
    "daclip_vit_b_32": call_daclip,
    "daclip_vit_l_14": call_daclip,
    "daclip_tokenizer": call_tokenizer,
    "irsde_sde": call_sde,
}

RENAMES: dict[str, Callable[[str], str]] = {}

for group in (golden_rain, golden_low_light, golden_blur, golden_haze, golden_general, golden_all_in_one):
    BUILDERS |= group.BUILDERS
    CALLS |= group.CALLS
    RENAMES |= group.RENAMES
