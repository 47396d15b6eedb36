"""The cards of the PReNet family."""

from __future__ import annotations

from models.networks.card import NetworkCard, ReleasedFile

_PRENET_PAGE = "https://github.com/csdwren/PReNet"


def _prenet_file(name: str, about: str, *, size: int | None = None, sha256: str | None = None) -> ReleasedFile:
    return ReleasedFile(name=name, about=about, page=_PRENET_PAGE, size=size, sha256=sha256)


def _three_sets(folder: str) -> tuple[ReleasedFile, ...]:
    sets = ("Rain100H", "Rain100L", "Rain1400")
    return tuple(_prenet_file(f"logs/{name}/{folder}/net_latest.pth", name) for name in sets)


def _prenet(
    name: str, target: str, title: str, *, reach: int, summary: str, files: tuple[ReleasedFile, ...]
) -> NetworkCard:
    return NetworkCard(
        name=name,
        target=target,
        title=title,
        paper="Progressive Image Deraining Networks: A Better and Simpler Baseline, Ren et al., CVPR 2019",
        year=2019,
        url="https://arxiv.org/abs/1901.09221",
        reach=reach,
        tiles="exact",
        half=("bf16",),
        tasks=("rainy",),
        weights_licence="none stated",
        files=files,
        rounding="truncate",
        summary=summary,
    )


_VARIANTS = "models.networks.prenet.variants"


CARDS: tuple[NetworkCard, ...] = (
    _prenet(
        "prenet",
        "models.networks.prenet.network:PReNet",
        "PReNet",
        reach=78,
        files=(
            _prenet_file(
                "logs/Rain100H/PReNet6/net_latest.pth",
                "Rain100H",
                size=681694,
                sha256="127c0098787c5272f1f8583f6c5202e7ef674f750cd145a1691912a6d9e96210",
            ),
            *_three_sets("PReNet6")[1:],
        ),
        summary="Six stages of one small residual network with an LSTM as memory.",
    ),
    _prenet(
        "prenet-r",
        f"{_VARIANTS}:PReNetRecursive",
        "PReNet_r",
        reach=78,
        files=_three_sets("PReNet6_r"),
        summary="PReNet with one residual block, applied five times a stage.",
    ),
    _prenet(
        "prenet-x",
        f"{_VARIANTS}:PReNetPrevious",
        "PReNet_x",
        reach=78,
        files=(
            _prenet_file(
                "logs/Ablation/PReNet6_x/net_latest.pth",
                "Rain100H",
                size=678238,
                sha256="ae76d3dce017c181f6c541c4884d606315b4a09ca1d29757ca44c8688e845bfe",
            ),
        ),
        summary="PReNet whose stages do not see the degraded image again.",
    ),
    _prenet(
        "prenet-gru",
        f"{_VARIANTS}:PReNetGru",
        "PReNet_GRU",
        reach=83,
        files=(
            _prenet_file(
                "logs/Ablation/PReNet6_GRU/net_latest.pth",
                "Rain100H",
                size=607325,
                sha256="2c0ed5ec96fe54c83a474c597741843ae4e98f1aac019470ce51235ac3bf66ff",
            ),
        ),
        summary="PReNet with a GRU as memory, whose stages give images.",
    ),
    _prenet(
        "prenet-lstm",
        f"{_VARIANTS}:PReNetLstm",
        "PReNet_LSTM",
        reach=78,
        files=tuple(
            _prenet_file(f"logs/Ablation/PReNet{stages}_LSTM/net_latest.pth", f"Rain100H, {stages} stages")
            for stages in (5, 6, 7)
        ),
        summary="PReNet whose stages give images rather than differences.",
    ),
    _prenet(
        "prenet-generator",
        f"{_VARIANTS}:PReNetGenerator",
        "PReNet (real rain)",
        reach=52,
        files=(
            _prenet_file("logs/real/PReNet1.pth", "real rain"),
            _prenet_file(
                "logs/real/PReNet2.pth",
                "real rain",
                size=681694,
                sha256="cbf6068474e64bf81ea8597fe1473cda19e7d0afadb3c81beb41f8dcc3751269",
            ),
        ),
        summary="PReNet for real rain: four stages with the LSTM after the residual blocks.",
    ),
    _prenet(
        "prn",
        f"{_VARIANTS}:PRN",
        "PRN",
        reach=72,
        files=_three_sets("PRN6"),
        summary="PReNet without a memory.",
    ),
    _prenet(
        "prn-r",
        f"{_VARIANTS}:PRNRecursive",
        "PRN_r",
        reach=72,
        files=_three_sets("PRN6_r"),
        summary="PReNet without a memory and with one residual block, applied five times a stage.",
    ),
)
