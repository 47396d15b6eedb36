"""Networks published for several tasks, one set of weights each: MPRNet, MIRNet, MAXIM."""

from __future__ import annotations

from models.networks.card import NetworkCard

CARDS: tuple[NetworkCard, ...] = ()
