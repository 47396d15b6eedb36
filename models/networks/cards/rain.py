"""Networks for rain: JORDER, JORDER-E and the PReNet family."""

from __future__ import annotations

from models.networks.card import NetworkCard

CARDS: tuple[NetworkCard, ...] = ()
