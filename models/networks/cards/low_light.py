"""Networks for low light: EnlightenGAN and URetinex-Net."""

from __future__ import annotations

from models.networks.card import NetworkCard

CARDS: tuple[NetworkCard, ...] = ()
