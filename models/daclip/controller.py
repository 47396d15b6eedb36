"""The controller around a frozen CLIP: one embedding for what an image shows, one for what is wrong with it."""

from __future__ import annotations

import copy
from typing import Any, Literal, NamedTuple, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.errors import UserError


class Features(NamedTuple):
    """What the loss compares: four sets of normalised features with shape `(B, E)`, and the scale of their logits."""

    content: Tensor
    degradation: Tensor
    caption: Tensor
    degradation_text: Tensor
    logit_scale: Tensor


class ControlTransformer(nn.Module):
    """The controller's transformer, with one zero-initialised linear layer for the output of each of its blocks.

    Arguments:
        transformer: The transformer of an open_clip image tower.
    """

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        width = int(transformer.width)
        self.transformer: Any = transformer
        self.zero_modules = nn.ModuleList(nn.Linear(width, width) for _ in transformer.resblocks)
        for parameter in self.zero_modules.parameters():
            nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the tokens after the last block, and the control that each block yields, first block first."""
        control = []
        for block, zero in zip(self.transformer.resblocks, self.zero_modules, strict=True):
            tokens = block(tokens)
            control.append(zero(tokens))
        return tokens, control


class DaClip(nn.Module):
    """A frozen CLIP whose image encoder is steered by a trainable copy of itself.

    The copy's own pooled output is the degradation embedding. What its blocks yield is added to the tokens of the
    frozen encoder in **reverse** order: frozen block i receives the control of the copy's block L-1-i. The pooled
    output of the frozen encoder is then the content embedding. State-dict keys are those of the published checkpoints,
    in which the frozen image tower appears twice (`clip.visual.*` and `visual.*` are the same tensors).

    All zero layers start at zero, so that the content embedding starts as CLIP's own, and every parameter of the copy
    starts as CLIP's; `start_as_published` changes that to what the published code does.

    Arguments:
        clip: An open_clip model with a plain vision transformer as its image tower. It is frozen and becomes part of
            this module.
        arch: How `clip` was configured; stored in the attribute of the same name for whoever saves the module.

    Attributes:
        weights_sha256: Of the weights file that it was loaded from; None for one that was not.

    Raises:
        UserError: The image tower is not a vision transformer that pools its class token or averages its tokens.

    References:
        Controlling Vision-Language Models for Multi-Task Image Restoration (Luo et al., 2024)
        https://arxiv.org/abs/2310.01018
    """

    def __init__(self, clip: Any, *, arch: dict[str, object] | None = None) -> None:
        super().__init__()
        tower = clip.visual
        blocks = getattr(getattr(tower, "transformer", None), "resblocks", None)
        if blocks is None or tower.attn_pool is not None or tower.pool_type not in ("tok", "avg"):
            raise UserError(
                "DA-CLIP needs a CLIP whose image tower is a vision transformer with class-token or average pooling, "
                "e.g. ViT-B-32 or ViT-L-14"
            )
        self.arch = arch or {}
        self.weights_sha256: str | None = None
        self.logit_scale = nn.Parameter(clip.logit_scale.detach().clone().reshape(()))
        self.clip: Any = clip.requires_grad_(False).eval()
        self.visual: Any = tower
        self.visual_control: Any = copy.deepcopy(tower).requires_grad_(True)
        self.visual_control.transformer = ControlTransformer(self.visual_control.transformer)

    @torch.no_grad()
    def start_as_published(self) -> None:
        """Give the controller the values from which the published training starts.

        Its copy loop pairs two parameter lists of different lengths: the values of CLIP's last norm land, repeated
        over the rows, in the first zero layer, and the copy's own last norm stays at gain 1 and bias 0. The content
        embedding still starts as CLIP's: a first zero layer speaks to the last frozen block, with the same number for
        all features but for CLIP's small bias, and the norm behind that block removes what all features share.
        """
        last, first = self.visual.ln_post, self.visual_control.transformer.zero_modules[0]
        first.weight.copy_(last.weight.expand_as(first.weight))
        first.bias.copy_(last.bias)
        self.visual_control.ln_post.weight.fill_(1)
        self.visual_control.ln_post.bias.zero_()

    @property
    def embed_dim(self) -> int:
        """Length E of the embeddings."""
        return int(self.visual.output_dim)

    @property
    def image_size(self) -> int:
        """Side S of the square images that the towers take."""
        return int(self.visual.image_size[0])

    @property
    def context_length(self) -> int:
        """Number of tokens of one text."""
        return int(self.clip.context_length)

    def train(self, mode: bool = True) -> DaClip:
        """Set the mode of the controller; the frozen CLIP stays in evaluation mode."""
        super().train(mode)
        self.clip.eval()
        return self

    @overload
    def encode_image(self, image: Tensor, *, control: Literal[False] = False, normalize: bool = False) -> Tensor: ...

    @overload
    def encode_image(
        self, image: Tensor, *, control: Literal[True], normalize: bool = False
    ) -> tuple[Tensor, Tensor]: ...

    def encode_image(
        self, image: Tensor, *, control: bool = False, normalize: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Embed preprocessed images.

        Arguments:
            image: Images with shape `(B, 3, S, S)`, normalised with CLIP's mean and deviation.
            control: False for plain CLIP, which ignores the controller.
            normalize: Whether the embeddings are scaled to length 1; restoration networks take them as they are.

        Returns:
            The image embedding with shape `(B, E)` of plain CLIP; or with `control` the content and the degradation
            embedding, each with shape `(B, E)`.
        """
        if not control:
            features = _pool(self.visual, _blocks(self.visual, _tokens(self.visual, image)))
            return F.normalize(features, dim=-1) if normalize else features
        tokens, signals = self.visual_control.transformer(_tokens(self.visual_control, image))
        degradation = _pool(self.visual_control, tokens)
        content = _pool(self.visual, _blocks(self.visual, _tokens(self.visual, image), signals[::-1]))
        if normalize:
            return F.normalize(content, dim=-1), F.normalize(degradation, dim=-1)
        return content, degradation

    def embed(self, image: Tensor, *, normalize: bool = False) -> tuple[Tensor, Tensor]:
        """Return the content and the degradation embedding of preprocessed images, see `encode_image`."""
        return self.encode_image(image, control=True, normalize=normalize)

    def encode_text(self, text: Tensor, *, normalize: bool = False) -> Tensor:
        """Embed tokens with shape `(B, 77)` by CLIP's text tower."""
        return self.clip.encode_text(text, normalize=normalize)

    def forward(self, image: Tensor, text: Tensor) -> Features:
        """Return the normalised features of images and of their texts.

        Arguments:
            image: Preprocessed images with shape `(B, 3, S, S)`.
            text: Tokens with shape `(B, 154)`: 77 of the caption, then 77 of the degradation.
        """
        caption, degradation_text = text.chunk(2, dim=-1)
        content, degradation = self.embed(image, normalize=True)
        return Features(
            content=content,
            degradation=degradation,
            caption=self.encode_text(caption, normalize=True),
            degradation_text=self.encode_text(degradation_text, normalize=True),
            logit_scale=self.logit_scale.exp(),
        )


def _tokens(tower: Any, image: Tensor) -> Tensor:
    """Cut images into tokens: patches, class token, positions, first norm; shape `(B, 1 + N, width)`."""
    patches = tower.conv1(image).flatten(2).transpose(1, 2)
    first = tower.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    tokens = torch.cat([first, patches], dim=1) + tower.positional_embedding.to(patches.dtype)
    return tower.ln_pre(tower.patch_dropout(tokens))


def _blocks(tower: Any, tokens: Tensor, signals: list[Tensor] | None = None) -> Tensor:
    """Run the frozen blocks; after block i the signal at place i is added."""
    for i, block in enumerate(tower.transformer.resblocks):
        tokens = block(tokens)
        if signals is not None:
            tokens = tokens + signals[i]
    return tokens


def _pool(tower: Any, tokens: Tensor) -> Tensor:
    """Turn the last tokens into one embedding per image; the class token alone is normed where only it is used."""
    pooled = tokens[:, 0] if tower.pool_type == "tok" else tokens[:, 1:]
    if tower.pool_type == "avg" and tower.final_ln_after_pool:
        pooled = pooled.mean(dim=1)
    pooled = tower.ln_post(pooled)
    if pooled.ndim == 3:
        pooled = pooled.mean(dim=1)
    return pooled if tower.proj is None else pooled @ tower.proj
