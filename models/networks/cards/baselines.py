"""What every table should hold: the degraded image itself, and methods without learned weights."""

from __future__ import annotations

from models.networks.card import NetworkCard

CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="input",
        target="models.networks.input:Input",
        title="Input",
        paper="",
        year=0,
        url="",
        weights_licence="has no weights",
        summary="The degraded image itself: the row that every restoration has to beat.",
    ),
)
