"""Our names of MAXIM's weights, the names in its release, and the tensors of a release as torch wants them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

# Members of a stage, by our name. Theirs are numbered by level as ours, and carry the stage in front.
STAGE = {
    "inputs": "input_conv",
    "fusions": "input_fuse_sam",
    "encoders": "encoder_block",
    "bottleneck": "global_block",
    "gatings": "cross_gating_block",
    "decoders": "decoder_block",
    "attentions": "supervised_attention_module",
    "outputs": "output_conv",
}
# Parts of these. Modules without a name of their own are numbered by the order of their calls.
PARTS = {
    "norm_x": "LayerNorm_x",
    "norm_y": "LayerNorm_y",
    "gate_norm": "intermediate_layernorm",
    "expand": "in_project",
    "expand_x": "in_project_x",
    "expand_y": "in_project_y",
    "project": "out_project",
    "project_x": "out_project_x",
    "project_y": "out_project_y",
    "weights_x": "SplitHeadMultiAxisGating_x",
    "weights_y": "SplitHeadMultiAxisGating_y",
    "gating": "cross_gating_block",
    "up": "ConvTranspose_0",
    "intro": "Conv_0",
    "down": "Conv_1",
    "in_x": "Conv_0",
    "in_y": "Conv_1",
    "squeeze": "Conv_0",
    "excite": "Conv_1",
    "features": "Conv_0",
    "image": "Conv_1",
    "attention": "Conv_2",
    "mix1": "channel_mixing.Dense_0",
    "mix2": "channel_mixing.Dense_1",
}
# Parts whose name depends on what they are part of, and lists.
PLACES = (
    (r"(?<=decoders\.\d\.)level\b", "UNetEncoderBlock_0"),
    (r"(?<=bottleneck\.\d\.)intro\b", "input_proj"),
    (r"(?<=weights_[xy]\.)grid\b", "Dense_0"),
    (r"(?<=weights_[xy]\.)block\b", "Dense_1"),
    (r"(?<=weights_[xy]\.)norm\b", "LayerNorm_in"),
    (r"(?<=mixers\.\d\.)norm\b", "LayerNorm_in"),
    (r"\bgrid\.gate", "GridGmlpLayer.GridGatingUnit.gate"),
    (r"\bblock\.gate", "BlockGmlpLayer.BlockGatingUnit.gate"),
    (r"\bgrid\b", "GridGmlpLayer"),
    (r"\bblock\b", "BlockGmlpLayer"),
    (r"\bgate\b", "Dense_0"),
    (r"\bnorm\b", "LayerNorm"),
    (r"\bmixers\.(?=\d)", "SplitHeadMultiAxisGmlpLayer_"),
    (r"\bconvs\.(?=\d)", "channel_attention_block_1"),
    (r"\bmlps\.(?=\d)", "channel_attention_block_1_"),
)
PREFIX = "opt/target/"


def published_name(key: str, *, depth: int = 3) -> str:
    """Return the name that a weight has in the release, joined by dots, its kernels and scales called weights.

    Arguments:
        key: Our name.
        depth: Levels of the U-Nets.
    """
    _, stage, member, level, rest = key.split(".", 4)
    if member.endswith("_resizes"):
        # All resizes of all stages are numbered in the order of their calls, the lowest level first.
        source, last = rest.split(".")
        number = (2 * int(stage) + (member == "decoder_resizes")) * depth**2 + (depth - 1 - int(level)) * depth
        return f"UpSampleRatio_{number + int(source)}.Conv_0.{last}"
    for pattern, name in PLACES:
        key = re.sub(pattern, name, key)
    parts = [PARTS.get(part, part) for part in key.split(".")[4:]]
    return ".".join([f"stage_{stage}_{STAGE[member]}_{level}", *parts])


def is_published(state: Mapping[str, Tensor]) -> bool:
    """Say whether tensors have the names of the release."""
    return any(re.match(rf"({PREFIX})?stage_\d+_input_conv_0/kernel$", key) for key in state)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a release under the names of `published_name`, in torch's shapes.

    Arguments:
        state: Tensors by path in the release, e.g. "stage_0_input_conv_0/kernel"; with "opt/target/" in front, what
            lies elsewhere is the optimiser's and left out.
    """
    nested = any(key.startswith(PREFIX) for key in state)
    converted = {}
    for path, value in state.items():
        if nested and not path.startswith(PREFIX):
            continue
        *parts, last = path.removeprefix(PREFIX).split("/")
        if value.ndim == 4 and parts[-1].startswith("ConvTranspose"):
            # Their transposed convolution slides the kernel as it is, torch's its mirror image.
            value = value.flip(0, 1).permute(2, 3, 0, 1)
        elif value.ndim == 4:
            value = value.permute(3, 2, 0, 1)
        elif value.ndim == 2:
            value = value.T
        last = "weight" if last in ("kernel", "scale") else last
        converted[".".join([*parts, last])] = value.contiguous()
    return converted
