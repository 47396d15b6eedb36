"""Networks for haze: GCANet, GridDehazeNet and DehazeFormer."""

from __future__ import annotations

from models.networks.card import NetworkCard

CARDS: tuple[NetworkCard, ...] = ()
