"""A network, the DA-CLIP that it listens to and the way it is sampled, as one module."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.daclip.classify import cosines, embed_words
from models.daclip.controller import DaClip
from models.daclip.preprocess import preprocess_batch, preprocess_images
from models.diffusion.noise import KeyedNoise, pixel_keys
from models.diffusion.sampling import sample
from models.diffusion.sde import MeanRevertingSDE
from models.diffusion.settings import Sampling
from models.errors import UserError
from models.networks.find import declared, find_network, is_foreign
from models.networks.foreign import Foreign
from models.networks.padding import Padding


class Restorer(nn.Module):
    """Images in, restored images out.

    Arguments:
        name: The network's name, see `models.networks.find.find_network`.
        network: The network; what it says about its sizes overrides its card.
        daclip: Needed when the network is conditioned; it is frozen and stays in evaluation mode.
        sde: For sampled networks, the process that they were trained on; None for the published one.
        sampling: For sampled networks, how; None for the published way.

    Attributes:
        weights_sha256: Of the weights that were loaded into the network; None for one that has none, or new ones.

    Raises:
        UserError: The network needs a DA-CLIP and there is none, their embeddings differ in length, or a network that
            restores in one pass is to be sampled.
    """

    def __init__(
        self,
        *,
        name: str,
        network: nn.Module,
        daclip: DaClip | None = None,
        sde: MeanRevertingSDE | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        super().__init__()
        self.card = declared(find_network(name), network)
        if self.card.conditioning != "none" and daclip is None:
            raise UserError(f"network {name!r} needs a DA-CLIP: train one first and give its file or run as --daclip")
        self.network = Foreign(name=name, module=network) if is_foreign(name) else network
        self.daclip = None
        if daclip is not None and self.card.conditioning != "none":
            expected = getattr(network, "embedding_dim", None) or daclip.embed_dim
            if expected != daclip.embed_dim:
                raise UserError(
                    f"network {name!r} was built for embeddings of length {expected}, but this DA-CLIP gives "
                    f"{daclip.embed_dim}"
                )
            self.daclip = daclip.requires_grad_(False).eval()
        if sampling is not None and not self.card.sampler:
            raise UserError(f"network {name!r} restores in one pass: sampler, NFE and seed are for diffusion networks")
        self.sde = sde or MeanRevertingSDE()
        self.sampling = sampling or Sampling()
        self.weights_sha256: str | None = None

    @property
    def daclip_sha256(self) -> str | None:
        """Of the weights that were loaded into the DA-CLIP; None without one, or for a new one."""
        return self.daclip.weights_sha256 if self.daclip is not None else None

    @property
    def nfe(self) -> int:
        """Network calls that one image takes; none for a network without weights."""
        if self.card.sampler:
            return self.sampling.calls(self.sde)
        return 1 if next(self.network.parameters(), None) is not None else 0

    @property
    def multiple_of(self) -> int:
        """What height and width must be multiples of."""
        return self.card.multiple_of

    @property
    def padding(self) -> Padding:
        """What sizes the network accepts, and how an image is extended to one."""
        return Padding(
            multiple_of=self.multiple_of,
            minimum_size=self.card.minimum_size,
            mode=self.card.padding,
            sides=self.card.pad_sides,
            always=self.card.pad_always,
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are; the CPU when there are none."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def train(self, mode: bool = True) -> Restorer:
        """Set the mode of the network; the DA-CLIP stays in evaluation mode."""
        super().train(mode)
        if self.daclip is not None:
            self.daclip.eval()
        return self

    @torch.no_grad()
    def embed(self, batch: Tensor, *, exact: bool = False) -> tuple[Tensor, Tensor] | None:
        """Return the un-normalised content and degradation embeddings, or None when the network takes none.

        Arguments:
            batch: Images with shape `(B, 3, H, W)`, in [0, 1].
            exact: True for the published preprocessing, image by image; False for the fast one of training.
        """
        if self.daclip is None:
            return None
        prepare = preprocess_images if exact else preprocess_batch
        return self.daclip.embed(prepare(batch, size=self.daclip.image_size))

    def apply_network(self, batch: Tensor, embeddings: tuple[Tensor, Tensor] | None) -> Tensor:
        """Run a network that restores in one pass on a batch, or on tiles of it, with embeddings computed before."""
        if embeddings is None:
            return self.network(batch)
        content, degradation = embeddings
        if self.card.conditioning == "degradation":
            return self.network(batch, degradation=degradation)
        return self.network(batch, degradation=degradation, content=content)

    def predict(
        self, state: Tensor, degraded: Tensor, time: Tensor, *, embeddings: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Run a sampled network once.

        Arguments:
            state: The noisy state with shape `(B, 3, H, W)`, or a tile of it.
            degraded: The degraded images, or the same tile of them.
            time: Steps with shape `(B,)` or one for all, 0 for the clean image.
            embeddings: From `embed`.

        Returns:
            The predicted noise with shape `(B, 3, H, W)`.
        """
        if embeddings is None:
            return self.network(state, degraded, time)
        content, degradation = embeddings
        return self.network(state, degraded, time, degradation=degradation, content=content)

    def sample(
        self,
        predict: Callable[[Tensor, Tensor, Tensor], Tensor],
        degraded: Tensor,
        *,
        keys: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Tensor:
        """Restore degraded images with shape `(B, 3, H, W)` by sampling with the noise that belongs to their keys.

        Arguments:
            predict: The network as a function of state, degraded images and time.
            degraded: Images with shape `(B, 3, H, W)`, in [0, 1].
            keys: One an image.
            progress: Called with the number of network calls done.

        Returns:
            The restored images, not clamped.
        """
        return sample(
            predict,
            self.sde,
            degraded,
            sampler=self.sampling.name,
            nfe=self.nfe,
            noise=KeyedNoise(keys, seed=self.sampling.seed),
            prediction=self.sampling.prediction,
            progress=progress,
        )

    def forward(self, batch: Tensor) -> Tensor:
        """Restore images with shape `(B, 3, H, W)`, in [0, 1]; the result is not clamped."""
        embeddings = self.embed(batch)
        if not self.card.sampler:
            return self.apply_network(batch, embeddings)
        return self.sample(
            lambda state, degraded, time: self.predict(state, degraded, time, embeddings=embeddings),
            batch,
            keys=pixel_keys(batch),
        )

    def recognise(self, image: Tensor, words: Sequence[str]) -> list[tuple[str, float]]:
        """Say which degradation an image has.

        Arguments:
            image: An image with shape `(3, H, W)`, in [0, 1].
            words: The degradation words to choose from.

        Returns:
            The words with their probabilities, most probable first.

        Raises:
            UserError: The network does not use a DA-CLIP.
        """
        if self.daclip is None:
            raise UserError(f"network {self.card.name!r} uses no DA-CLIP and cannot say what is wrong with an image")
        prepared = preprocess_images(image[None].to(self.device), size=self.daclip.image_size)
        logits = self.daclip.logit_scale.exp() * cosines(self.daclip, prepared, embed_words(self.daclip, words))[0]
        probabilities = logits.softmax(dim=0).tolist()
        return sorted(zip(words, probabilities, strict=True), key=lambda pair: -pair[1])
