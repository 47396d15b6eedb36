"""Networks for motion blur: DeepDeblur, DeblurGAN and DeblurGANv2."""

from __future__ import annotations

from models.networks.card import NetworkCard

CARDS: tuple[NetworkCard, ...] = ()
