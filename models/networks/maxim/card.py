"""The card of MAXIM."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

_MAXIM = (
    ("Deraining/Rain13k", "Rain13k (rain)"),
    ("Deraining/Raindrop", "Raindrop"),
    ("Dehazing/SOTS-Indoor", "RESIDE indoor (haze)"),
    ("Dehazing/SOTS-Outdoor", "RESIDE outdoor (haze)"),
    ("Enhancement/LOL", "LOL (low light)"),
    ("Enhancement/FiveK", "MIT-Adobe FiveK (retouching)"),
    ("Denoising/SIDD", "SIDD (camera noise)"),
    ("Deblurring/GoPro", "GoPro (motion blur)"),
    ("Deblurring/REDS", "REDS (motion blur)"),
    ("Deblurring/RealBlur_R", "RealBlur-R"),
    ("Deblurring/RealBlur_J", "RealBlur-J"),
)
_MAXIM_PACKAGES = (
    ("deraining", "Rain13k (rain)", 53_415_066, "32eefe4bcc0d835438bf01598e73bc89f53802a7119e3d192f1e9bfc7d663857"),
    (
        "deblurring",
        "GoPro (motion blur)",
        83_613_744,
        "081a260dc1ca0827d203f585fcff8826702f9d4c65e023675d3cf7fcf26dbd16",
    ),
    (
        "denoising",
        "SIDD (camera noise)",
        83_029_800,
        "2c9fb2350fcc7077982dbc78483691dea730438814c14a8aa24673db8ebef2eb",
    ),
    (
        "dehazing-indoor",
        "RESIDE indoor (haze)",
        53_805_182,
        "c29872120011c1999d0355a9b1c1b92ca89c20d5d6cb60ad258b88ae6db29802",
    ),
    (
        "dehazing-outdoor",
        "RESIDE outdoor (haze)",
        53_387_173,
        "928f6f6ed181193c6acd92a04c9f6f8282011e3c21b9eb1cbaf8ca9fff969d4b",
    ),
    ("enhancement", "LOL (low light)", 53_844_881, "02b0064970d10dcd7aea07459ef7c03f12c18c432c8c7fb6ebbc2bd8d816465c"),
    (
        "retouching",
        "MIT-Adobe FiveK (retouching)",
        54_319_761,
        "1f89ef3cc9f77f0a500a7703e7a512ba84dd89c117410a0d1c82b84bab1dba92",
    ),
)


CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        name="maxim",
        target="models.networks.maxim.network:MAXIM",
        title="MAXIM",
        paper="MAXIM: Multi-Axis MLP for Image Processing, Tu et al., CVPR 2022",
        year=2022,
        url="https://arxiv.org/abs/2201.02973",
        multiple_of=64,
        pad_sides="even",
        # The grid and the channel attention see the whole image.
        tiles="close",
        tasks=("motion-blurry", "hazy", "low-light", "noisy", "raindrop", "rainy"),
        licence="MIT",
        weights_licence="Apache-2.0",
        files=(
            *(
                ReleasedFile(
                    name=f"{folder}/checkpoint.npz", about=about, page="https://github.com/google-research/maxim"
                )
                for folder, about in _MAXIM
            ),
            *(
                ReleasedFile(
                    name=f"upscalerjs-maxim-{task}-0.1.0.tgz",
                    about=about,
                    page=f"https://www.npmjs.com/package/@upscalerjs/maxim-{task}",
                    size=size,
                    sha256=sha256,
                )
                for task, about, size, sha256 in _MAXIM_PACKAGES
            ),
        ),
        rounding="truncate",
        summary="U-Nets of gated MLPs that mix the pixels of a block, and those at one place of all cells of a grid.",
    ),
)
