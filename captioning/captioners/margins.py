"""Greedy decoding that tells which captions could have turned out differently in another batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

ULPS = {torch.float32: 128, torch.float16: 8, torch.bfloat16: 8}
"""How far two logits must lie apart to be told apart in any batch, in units of the largest logit's last place.

Matrix products of another shape add up in another order. With random weights of BLIP large's shape, and of a smaller
one, the logits of an image alone and in a batch differed by up to 13 such units in float32 and 3 in bfloat16. Half
precision gets less room, since doubts are frequent there and each costs a second run.
"""


class MarginRecorder(LogitsProcessor):
    """Watches a greedy search and marks, step by step, the images whose best two tokens are nearly equal.

    Arguments:
        dtype: Precision of the model.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self._room = ULPS[dtype] * torch.finfo(dtype).eps
        self._prompt = 0
        self._close: list[Tensor] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Take the logits of one step, with shape `(B, vocabulary)`, and return them as they are."""
        if not self._close:
            self._prompt = input_ids.shape[1]
        best = scores.topk(2, dim=-1).values.float()
        largest = scores.masked_fill(scores.isinf(), 0).abs().amax(-1).float()
        self._close.append(best[:, 0] - best[:, 1] <= self._room * largest)
        return scores

    def doubtful(self, tokens: Tensor, *, end: tuple[int, ...]) -> list[bool]:
        """Return for each image whether a token before the end of its caption was a near tie.

        Arguments:
            tokens: What the search returned, with shape `(B, length)`.
            end: Tokens that end a caption; what follows them is padding.
        """
        close = torch.stack(self._close, dim=1)
        new = tokens[:, self._prompt : self._prompt + close.shape[1]]
        ended = torch.isin(new, torch.tensor(end, device=new.device, dtype=new.dtype)).int()
        before_end = ended.cumsum(1) - ended == 0
        return (close[:, : new.shape[1]] & before_end).any(1).tolist()
