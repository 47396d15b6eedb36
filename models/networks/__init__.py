"""The catalogue of networks: a folder each, whose `card.py` says as data what it is, needs and may be used for."""

from __future__ import annotations

import importlib

from models.catalogue import Catalogue
from models.networks.card import NetworkCard as NetworkCard

FAMILIES = (
    "classical",
    "jorder",
    "prenet",
    "enlightengan",
    "uretinex",
    "deepdeblur",
    "deblurgan",
    "deblurganv2",
    "gcanet",
    "griddehazenet",
    "dehazeformer",
    "mprnet",
    "mirnet",
    "maxim",
    "nafnet",
    "restormer",
    "promptir",
    "airnet",
    "ir_sde",
    "refusion",
)
"""The folders, in the order in which networks are listed."""

NETWORKS = Catalogue[NetworkCard](
    "network",
    [card for family in FAMILIES for card in importlib.import_module(f"models.networks.{family}.card").CARDS],
)
