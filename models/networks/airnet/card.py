"""The card of AirNet."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="airnet",
        target="models.networks.airnet.network:AirNet",
        title="AirNet",
        paper="All-In-One Image Restoration for Unknown Corruption, Li et al., CVPR 2022",
        year=2022,
        url="https://openaccess.thecvf.com/content/CVPR2022/html/Li_All-in-One_Image_Restoration_for_Unknown_Corruption_CVPR_2022_paper.html",
        # Nothing pools, but how far a deformable convolution looks is learned.
        tiles="close",
        weights_licence="no licence given",
        files=tuple(
            ReleasedFile(name=name, about=about, page="https://github.com/XLearning-SCU/2022-CVPR-AirNet")
            for name, about in (
                ("All.pth", "noise, rain and haze at once"),
                ("Denoise.pth", "noise with sigma 15, 25 and 50"),
                ("Derain.pth", "Rain100L"),
                ("Dehaze.pth", "RESIDE"),
            )
        ),
        summary="Finds a map of the degradation by itself and bends its convolutions by it; told nothing.",
    ),
)
