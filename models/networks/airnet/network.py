"""AirNet: restoration guided by a map of the degradation that the network finds itself."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from models.errors import UserError
from models.networks.airnet.blocks import GuidedGroup, guided_body, through
from models.networks.airnet.encoder import DegradationEncoder, MomentumContrast


class Restoration(nn.Module):
    """From degraded images and degradation maps to restored images.

    Arguments:
        width: Channels C at full resolution.
        groups: The number of groups.
        blocks: Guided blocks of each group.
    """

    def __init__(self, *, width: int, groups: int, blocks: int) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(3, width, 3, padding=1))
        self.body = guided_body(width, (GuidedGroup(width, blocks=blocks) for _ in range(groups)))
        self.tail = nn.Sequential(nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, x: Tensor, degradation: Tensor) -> Tensor:
        """Map images with shape `(B, 3, H, W)`, guided by maps with shape `(B, C, H, W)`."""
        return self.tail(through(self.body, self.head(x), degradation))


class AirNet(nn.Module):
    """The published network, with the published state-dict keys.

    Restoring needs the first block of the degradation encoder only; the rest of it, the second encoder and the queue
    serve the contrastive loss of `contrast`.

    Arguments:
        width: Channels at full resolution; the degradation vectors have four times as many.
        groups: Groups of guided blocks.
        blocks: Guided blocks of each group.
        queue_batch: The queue holds four times `width` batches of this many keys. The authors train with one image a
            batch of each degradation (or noise level) that they know: 5, 3 or 1.
        momentum: How much of itself the encoder of the keys keeps at each step.
        temperature: Divides the similarities of the contrastive loss.

    Raises:
        UserError: A count is below 1.

    References:
        All-In-One Image Restoration for Unknown Corruption (Li et al., 2022)
        https://openaccess.thecvf.com/content/CVPR2022/html/Li_All-in-One_Image_Restoration_for_Unknown_Corruption_CVPR_2022_paper.html
    """

    # The encoder of the keys follows that of the queries. Of that one, what comes after the degradation map is not
    # used to restore: its gradient comes from `contrast`.
    without_gradient = (r"E\.E\.encoder_k\..*", r"E\.E\.encoder_q\.(E|mlp)\..*")

    def __init__(
        self,
        *,
        width: int = 64,
        groups: int = 5,
        blocks: int = 5,
        queue_batch: int = 5,
        momentum: float = 0.999,
        temperature: float = 0.07,
    ) -> None:
        super().__init__()
        if min(width, groups, blocks, queue_batch) < 1:
            raise UserError(
                f"an AirNet needs at least one of everything: got width={width}, groups={groups}, blocks={blocks}, "
                f"queue_batch={queue_batch}"
            )
        self.multiple_of = 1
        self.R = Restoration(width=width, groups=groups, blocks=blocks)
        self.E = DegradationEncoder(
            MomentumContrast(width=width, queue=4 * width * queue_batch, momentum=momentum, temperature=temperature)
        )

    def forward(self, degraded: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        return self.R(degraded, self.E(degraded))

    def contrast(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Restore crops and learn their degradation from other crops of the same images: the forward of training.

        The published loss is L1 between the restored and the clean crops plus 0.1 times the cross-entropy of logits
        and labels; for the first epochs the cross-entropy alone. Every call moves the encoder of the keys one step and
        puts the keys into the queue.

        Arguments:
            query: Degraded crops with shape `(B, 3, H, W)`, in [0, 1]; these are restored.
            key: Other crops of the same degraded images, in the same order.

        Returns:
            The restored crops with shape `(B, 3, H, W)`, the logits with shape `(B, 1 + K)` for a queue of K keys, and
            the labels with shape `(B,)`.
        """
        degradation, logits, labels = self.E.E(query, key)
        return self.R(query, degradation), logits, labels

    @staticmethod
    def infer_arch(state: Mapping[str, Tensor]) -> dict[str, object]:
        """Read the constructor arguments off the keys of a state dict, e.g. of a released checkpoint.

        Raises:
            UserError: The keys are not those of an AirNet.
        """
        if "R.head.0.weight" not in state or "E.E.queue" not in state:
            raise UserError("these are not the weights of an AirNet: there is no 'R.head.0.weight' or no 'E.E.queue'")

        def count(pattern: str) -> int:
            # The last of each chain is its closing convolution.
            return max(int(m[1]) for key in state if (m := re.match(pattern, key)))

        dim, keys = state["E.E.queue"].shape
        return {
            "width": int(state["R.head.0.weight"].shape[0]),
            "groups": count(r"R\.body\.(\d+)\."),
            "blocks": count(r"R\.body\.0\.body\.(\d+)\."),
            "queue_batch": int(keys) // int(dim),
        }
