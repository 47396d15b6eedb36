"""Networks that Table 3 trains on all ten degradations at once: Restormer, AirNet, PromptIR."""

from __future__ import annotations

from models.networks.card import NetworkCard

CARDS: tuple[NetworkCard, ...] = ()
