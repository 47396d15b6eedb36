"""The catalogue of networks: what each one is, needs and may be used for, as data."""

from __future__ import annotations

from models.catalogue import Catalogue
from models.networks.card import NetworkCard as NetworkCard
from models.networks.cards import all_in_one, baselines, blur, diffusion, general, haze, low_light, nafnet, rain

NETWORKS = Catalogue[NetworkCard](
    "network",
    [
        *baselines.CARDS,
        *rain.CARDS,
        *low_light.CARDS,
        *blur.CARDS,
        *haze.CARDS,
        *general.CARDS,
        *nafnet.CARDS,
        *all_in_one.CARDS,
        *diffusion.CARDS,
    ],
)
